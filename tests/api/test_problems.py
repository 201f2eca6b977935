"""Whatever goes wrong is said in one line, with what to do, and nothing of our insides."""

from __future__ import annotations

import errno
import itertools
import logging
import random
import re
from collections.abc import Iterator

import pytest

from appliance import errors
from appliance.api import problems
from tests.api import nonsense
from tests.api.conftest import Server, incoming


def everything() -> Iterator[type[errors.EarmarkError]]:
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, errors.EarmarkError):
            yield kind


@pytest.mark.parametrize("kind", list(everything()))
def test_every_error_becomes_a_problem(kind: type[errors.EarmarkError]) -> None:
    if kind is errors.NotReady:
        error: errors.EarmarkError = errors.NotReady(["dog: 3 of 5 clips"], "record more")
    elif kind is errors.TrainingError:
        error = errors.TrainingError("diverged", "it diverged", "record more")
    else:
        error = kind("it is broken", "mend it")
    told = problems.of_error(error)
    assert told["status"] == error.status
    assert told["detail"] == error.message
    assert told["advice"] == error.advice
    assert re.fullmatch(r"urn:earmark:problem:[a-z-]+", told["type"])
    assert told["title"]
    assert told.get("reasons") == getattr(error, "reasons", None)


def test_what_nobody_expected_is_logged_once_and_not_shown(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise RuntimeError("the secret of /var/lib/earmark")

    monkeypatch.setattr(server.services.house.labels, "all", fail)
    with caplog.at_level(logging.ERROR):
        answer = server.http().get("/labels")
    problem = answer.json()
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text
    [record] = [one for one in caplog.records if one.levelno >= logging.ERROR]
    assert problem["number"] in record.getMessage()
    assert problem["number"] in problem["advice"]
    assert record.exc_info is not None


def test_a_full_disk_is_507(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(name: str, author: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(server.services.house.labels, "create", full)
    answer = server.http().post("/labels", json={"name": "dog"})
    assert answer.status_code == 507
    assert answer.json()["advice"]


def test_unknown_paths_and_methods(shared: Server) -> None:
    http = shared.http()
    answer = http.get("/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert "/api/v1/nowhere" in answer.json()["detail"]
    answer = http.patch("/readiness", json={})
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert "GET" in answer.json()["advice"]


@pytest.mark.parametrize(
    ("content", "kind", "words"),
    [
        (b"", "application/json", ["missing"]),
        (b"{", "application/json", ["not JSON"]),
        (b"[]", "application/json", ["not a JSON object"]),
        (b'"x"', "application/json", ["not a JSON object"]),
        (b"null", "application/json", ["not a JSON object"]),
        (b"{}", "application/json", ["name", "missing"]),
        (b'{"name": 5}', "application/json", ["name", "string", "5"]),
        (b'{"name": "a", "colour": 1}', "application/json", ["colour"]),
        (b'{"nam": "a"}', "application/json", ["nam"]),
        (b'{"name": "a"}', "text/plain", ["object"]),
        (b"name=a", "application/x-www-form-urlencoded", ["object"]),
        (b"\xff\xfe", "application/json", ["body"]),
        (b'{"name": "\\ud800"}', "application/json", ["name"]),
        (b"[" * 100_000, "application/json", ["body"]),
        (b'{"name": "\\u0000"}', "application/json", ["label"]),
    ],
)
def test_bodies_that_are_none_are_refused_in_one_line(
    shared: Server, content: bytes, kind: str, words: list[str]
) -> None:
    answer = shared.http().post("/labels", content=content, headers={"Content-Type": kind})
    problem = answer.json()
    assert answer.status_code in (400, 422)
    assert "\n" not in problem["detail"]
    assert problem["advice"]
    for word in words:
        assert word in problem["detail"], problem


def test_no_nonsense_is_answered_with_5xx(server: Server) -> None:
    """Every route, with ids, queries and bodies that make no sense."""
    dice = random.Random(7)
    http = server.local()
    wrong = [found for _ in range(1200) if (found := nonsense.objection(nonsense.ask(http, dice)))]
    assert wrong == []
    assert incoming(server.services) == []


def test_pairs_of_evil_values_in_a_filter(shared: Server) -> None:
    http = shared.http()
    for one, other in itertools.product(("since", "until", "limit"), nonsense.EVIL):
        answer = http.get("/clips", params={one: str(other)})
        assert answer.status_code < 500
