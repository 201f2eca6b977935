"""The API's own description is true: examples are accepted, answers are as described."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import TypeAdapter, ValidationError

from appliance.api.app import build
from appliance.api.openapi import examples
from appliance.api.routes import ROUTERS, outside
from appliance.client import quoted
from appliance.library.clip import Clip
from tests.api.conftest import Server, Sound

REPOSITORY = Path(__file__).resolve().parent.parent.parent
APP: FastAPI = build(None)
DOCUMENT: dict[str, Any] = APP.openapi()


def operations() -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in DOCUMENT["paths"].items():
        for method, operation in methods.items():
            yield method.upper(), path, operation


def resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "anyOf" in schema:
        schema = next(one for one in schema["anyOf"] if "$ref" in one)
    if "$ref" in schema:
        found: dict[str, Any] = DOCUMENT["components"]["schemas"][schema["$ref"].rpartition("/")[2]]
        return found
    return schema


def test_the_document_is_served_with_the_token_only(shared: Server) -> None:
    answer = shared.http().get("/openapi.json")
    assert answer.json() == DOCUMENT
    assert shared.anonymous().get("/api/v1/openapi.json").status_code == 401


def test_every_operation_says_what_it_does_and_how_it_fails() -> None:
    for method, path, operation in operations():
        where = (method, path)
        assert operation["description"], where
        assert operation["tags"], where
        codes = set(operation["responses"])
        assert codes & {"200", "201", "202", "204"}, where
        if path != "/healthz":
            assert "401" in codes, where
        for code in codes:
            if code >= "400":
                content = operation["responses"][code]["content"]
                assert list(content) == ["application/problem+json"], where


def test_every_operation_has_its_own_id() -> None:
    names = [operation["operationId"] for _, _, operation in operations()]
    assert len(names) == len(set(names))


def test_every_body_has_an_example_that_its_schema_accepts() -> None:
    bodies = 0
    for method, path, operation in operations():
        if "requestBody" not in operation:
            continue
        bodies += 1
        [(kind, content)] = operation["requestBody"]["content"].items()
        if kind == "multipart/form-data":
            assert content["example"]["file"], (method, path)
            continue
        schema = resolved(content["schema"])
        assert schema["examples"], (method, path)
        assert schema["additionalProperties"] is False, (method, path)
        for example in schema["examples"]:
            assert set(example) <= set(schema["properties"]), (method, path)
            assert set(schema.get("required", [])) <= set(example), (method, path)
    assert bodies >= 20


def models() -> dict[str, Any]:
    """What each GET is said to answer."""
    routers = [("", outside.router), *(("/api/v1", router) for router in ROUTERS)]
    return {
        re.sub(r":path\}", "}", prefix + route.path): route.response_model
        for prefix, router in routers
        for route in router.routes
        if isinstance(route, APIRoute) and "GET" in route.methods and route.response_model
    }


def test_answers_are_as_described(server: Server, sound: Sound) -> None:
    """Every GET whose answer has a schema, on a box that holds something of most things."""
    client, http = server.client(), server.http()
    clip = client.upload("/clips", [sound()], {"label": "dog"})["results"][0]["clips"][0]["id"]
    for label in ("dog", "cat"):
        client.upload("/clips", [sound() for _ in range(5)], {"label": label})
    job = client.post("/jobs", {"max_minutes": 6})
    source = f"replay:{sound(seconds=1)}"
    microphone = client.post("/microphones", {"source": source, "name": "m", "enabled": False})
    schedule = {"microphone": "m", "at": "06:30", "seconds": 5}
    client.post("/schedules", schedule)
    values = {
        "{name}": {"labels": "dog", "dataset-versions": job["dataset_version"]},
        "{id}": {"clips": clip, "jobs": job["id"], "microphones": quoted(microphone["id"])},
    }
    checked = []
    for path, model in models().items():
        kind = path.split("/")[3] if path.startswith("/api/v1") else ""
        for name, known in values.items():
            path = path.replace(name, str(known.get(kind, "nothing")))
        if "nothing" in path:
            continue
        answer = http.get(server.url + path)
        assert answer.status_code == 200, (path, answer.text)
        described = TypeAdapter(model)
        read = described.validate_python(answer.json())
        assert described.dump_python(read, mode="json") == answer.json(), path
        checked.append(path)
    assert len(checked) >= 18, checked


def answered() -> Iterator[tuple[str, str, Any, dict[str, Any]]]:
    """(method, path, schema, content) of each answer in JSON."""
    routers = [("", outside.router), *(("/api/v1", router) for router in ROUTERS)]
    described = {
        (method, re.sub(r":path\}", "}", prefix + route.path)): route
        for prefix, router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
        for method in route.methods
    }
    for method, path, operation in operations():
        route = described.get((method, path.replace(":path}", "}")))
        for status, response in operation["responses"].items():
            content = response.get("content", {}).get("application/json")
            if content is None or not status.startswith("2"):
                continue
            other = route.responses.get(int(status), {}).get("model") if route else None
            yield method, path, other or (route and route.response_model), content


def test_every_answer_has_an_example_that_its_schema_describes() -> None:
    checked = 0
    for method, path, model, content in answered():
        where = (method, path)
        assert model is not None, (where, "has no schema")
        assert "example" in content, where
        described = TypeAdapter(model)
        read = described.validate_python(content["example"])
        assert described.dump_python(read, mode="json", exclude_unset=True) == content["example"], (
            where
        )
        checked += 1
    assert checked >= 90


def test_an_example_that_is_not_as_described_would_be_found() -> None:
    clip = dict(examples()["Clip"])
    clip["duration_s"] = "long"
    with pytest.raises(ValidationError):
        TypeAdapter(Clip).validate_python(clip)


def test_the_page_of_the_api_is_current() -> None:
    script = runpy.run_path(str(REPOSITORY / "scripts" / "api_doc.py"))
    assert (REPOSITORY / "docs" / "api.md").read_text() == script["page"]()
    assert (REPOSITORY / "docs" / "api-answers.md").read_text() == script["answers"]()


@pytest.mark.parametrize("name", ["docs", "redoc"])
def test_no_page_that_loads_scripts_from_elsewhere(shared: Server, name: str) -> None:
    for path in (f"/{name}", f"/api/v1/{name}"):
        answer = shared.anonymous().get(path, headers=dict(shared.http().headers))
        assert answer.status_code == 404
