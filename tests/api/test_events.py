"""The event stream: in order, told again after a broken line, and never held up by one reader."""

from __future__ import annotations

import json
import queue
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from appliance.api import streams
from appliance.client import Client, ClientError, DaemonUnreachable
from appliance.client_events import follow, parse
from appliance.events import EventBus
from tests.api.conftest import TOKEN, Server
from tests.api.raw import connect
from tests.waiting import until


@contextmanager
def stream(server: Server, **options: Any) -> Iterator[Iterator[tuple[str, str, dict[str, Any]]]]:
    """(id, topic, data) of one connection's events; it is open when the block begins."""
    with server.http().stream("GET", "/events", **options) as response:
        assert response.status_code == 200, response.read()
        lines = response.iter_lines()
        assert next(lines).startswith(":")
        yield parse(lines)


def test_events_come_in_order_with_id_topic_and_data(server: Server) -> None:
    bus = server.services.house.bus
    with stream(server) as events:
        bus.publish("job", {"id": 7})
        bus.publish("clip", {"action": "added", "clips": [1]})
        first, second = next(events), next(events)
    assert (first[1], first[2]["id"]) == ("job", 7)
    assert first[2]["at"] == pytest.approx(time.time(), abs=60)
    assert second[1:] == ("clip", {"at": second[2]["at"], "action": "added", "clips": [1]})
    assert int(second[0].partition("-")[2]) == int(first[0].partition("-")[2]) + 1


def test_only_the_topics_that_were_asked_for(server: Server) -> None:
    bus = server.services.house.bus
    with stream(server, params={"topics": "job, label"}) as events:
        for topic in ("clip", "hearing", "job", "detection", "label"):
            bus.publish(topic, {})
        assert [next(events)[1] for _ in range(2)] == ["job", "label"]


def test_the_spectrum_comes_only_to_those_who_name_it(server: Server) -> None:
    bus = server.services.house.bus
    asked: list[bool] = []
    bus.make_when_watched("spectrum", asked.append)
    with stream(server) as events:
        bus.publish("spectrum", {})
        bus.publish("job", {})
        assert next(events)[1] == "job"
    assert asked == []
    with stream(server, params={"topics": "spectrum"}) as events:
        bus.publish("spectrum", {})
        assert next(events)[1] == "spectrum"
        assert asked == [True]
    until(lambda: asked == [True, False], "the end of the watching")


def test_what_was_missed_is_told_first_and_once(server: Server) -> None:
    bus = server.services.house.bus
    with stream(server) as events:
        bus.publish("job", {"n": 1})
        last = next(events)[0]
    bus.publish("job", {"n": 2})
    bus.publish("clip", {"n": 3})
    bus.publish("job", {"n": 4})
    with stream(server, headers={"Last-Event-ID": last}, params={"topics": "job"}) as events:
        bus.publish("job", {"n": 5})
        assert [next(events)[2]["n"] for _ in range(3)] == [2, 4, 5]


@pytest.mark.parametrize("last", ["zzzzzz-99999", "nonsense", "-", "1"])
def test_an_id_of_another_life_is_told_everything_that_is_kept(server: Server, last: str) -> None:
    server.services.house.bus.publish("job", {"n": 1})
    with stream(server, headers={"Last-Event-ID": last}) as events:
        assert next(events)[2]["n"] == 1


def test_a_gap_that_cannot_be_filled_is_said(server: Server) -> None:
    server.services.house.bus = EventBus(history=3)
    for number in range(10):
        server.services.house.bus.publish("job", {"n": number})
    last = f"{server.services.streams.life}-2"
    with stream(server, headers={"Last-Event-ID": last}) as events:
        assert next(events)[1] == "note"
        assert [next(events)[2]["n"] for _ in range(3)] == [7, 8, 9]


@pytest.mark.parametrize("topics", ["jobs", "job,hering", "job;clip", "x" * 300])
def test_unknown_topics_are_refused_in_words(shared: Server, topics: str) -> None:
    answer = shared.http().get("/events", params={"topics": topics})
    assert answer.status_code == 422
    assert answer.json()["advice"]


def test_a_heartbeat_comes_when_nothing_happens(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "HEARTBEAT_S", 0.05)
    with server.http().stream("GET", "/events") as response:
        lines = response.iter_lines()
        comments = [next(lines) for _ in range(8)]
    assert comments.count(": still here") >= 2


def test_a_slow_reader_is_dropped_with_a_note_and_holds_nobody_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "BACKLOG", 10)
    bus = server.services.house.bus
    with connect(server.port) as slow, stream(server, params={"topics": "clip"}) as quick:
        slow.sendall(
            b"GET /api/v1/events?topics=job HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
        )
        until(lambda: len(server.services.streams._open) == 2, "the slow stream is not open")
        for _ in range(500):
            bus.publish("job", {"text": "x" * 20_000})
        bus.publish("clip", {"n": 1})
        assert next(quick)[2]["n"] == 1
        content = b""
        while block := slow.recv(1 << 20):
            content += block
    assert b"event: note" in content
    assert content.count(b"event: job") < 500
    until(lambda: not server.services.streams._open, "a stream was not counted out")


def test_a_reader_that_takes_nothing_at_all_is_dropped(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "STALLED_S", 0.2)
    bus = server.services.house.bus
    with connect(server.port) as dead:
        dead.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        dead.sendall(
            b"GET /api/v1/events HTTP/1.1\r\nHost: localhost\r\n"
            b"Authorization: Bearer " + TOKEN.encode() + b"\r\n\r\n"
        )
        opened = server.services.streams._open
        until(lambda: len(opened) == 1, "the stream is not open")
        for _ in range(200):
            bus.publish("job", {"text": "x" * 100_000})
        until(lambda: not opened, "a dead reader is kept")


def test_streams_are_limited(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "MOST_STREAMS", 2)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(stream(server))
        answer = server.http().get("/events")
        assert answer.status_code == 503
        assert answer.json()["advice"]
    until(lambda: not server.services.streams._open, "a stream was not counted out")
    with stream(server):
        pass


def test_the_daemons_stop_ends_the_streams(server: Server) -> None:
    with stream(server) as events:
        server.services.streams.close()
        assert list(events) == []


# --- the client -------------------------------------------------------------------------------


def collect(client: Client, into: queue.Queue[Any], **options: Any) -> threading.Thread:
    """Follow events on a thread until the client gives up."""

    def run() -> None:
        try:
            for event in client.events(["job"], **options):
                into.put(event)
        except ClientError as error:
            into.put(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread


def test_the_client_follows_over_a_broken_line(server: Server) -> None:
    """The stream is ended by the server; the client comes back for what it missed meanwhile."""
    bus, own = server.services.house.bus, server.services.streams
    got: queue.Queue[Any] = queue.Queue()
    thread = collect(server.client(), got, give_up_after_s=0.3)
    until(lambda: own._open, "the client did not connect")
    bus.publish("job", {"n": 1})
    assert got.get(timeout=30)[1]["n"] == 1
    # As a restart of the daemon looks from outside: this connection ends, the next is served.
    own.close()
    until(lambda: not own._open, "the stream did not end")
    bus.publish("job", {"n": 2})
    own.closed = False
    topic, data = got.get(timeout=30)
    assert (topic, data["n"]) == ("job", 2)
    # From here on nobody answers: it gives up.
    server.stop()
    assert isinstance(got.get(timeout=30), DaemonUnreachable)
    thread.join(30)
    assert not thread.is_alive()


def test_the_client_says_at_once_that_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with Client(url=f"http://127.0.0.1:{port}") as client, pytest.raises(DaemonUnreachable):
        next(client.events())


def test_the_client_says_at_once_that_the_token_is_wrong(shared: Server) -> None:
    with Client(url=shared.url, token="wrong" * 8) as client, pytest.raises(ClientError) as caught:
        next(client.events())
    assert caught.value.status == 401


def test_following_gives_up_only_after_the_time_that_was_given(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now = 0.0
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds
        pauses.append(seconds)

    monkeypatch.setattr("appliance.client_events.time.sleep", sleep)
    monkeypatch.setattr("appliance.client_events.time.monotonic", lambda: now)
    answers: list[list[str] | Exception] = [["id: a-1", "event: job", 'data: {"n": 1}', ""]]
    asked: list[str | None] = []

    @contextmanager
    def opened(topics: str, last: str | None) -> Iterator[Iterator[str]]:
        asked.append(last)
        if not answers:
            raise DaemonUnreachable("gone")
        yield iter(answers.pop(0))  # type: ignore[arg-type]

    events = follow(opened, "job", 20.0)
    assert next(events) == ("job", {"n": 1})
    with pytest.raises(DaemonUnreachable):
        next(events)
    assert asked[:2] == [None, "a-1"]
    assert sum(pauses) > 20
    assert max(pauses) <= 5


def test_parsing_of_the_wire() -> None:
    lines = [
        ": comment",
        "retry: 1000",
        "",
        "id: x-1",
        "event: job",
        'data: {"a":',
        "data: 1}",
        "",
        "id: x-2",
        "",
        'data:{"b": 2}',
        "",
        'data: {"cut": ',
    ]
    assert list(parse(iter(lines))) == [
        ("x-1", "job", {"a": 1}),
        ("", "message", {"b": 2}),
    ]


def test_every_published_value_can_be_told(server: Server) -> None:
    with stream(server) as events:
        data = {"text": "Zeile\n\u2028ende", "nan": float("nan"), "list": (1, 2), "none": None}
        server.services.house.bus.publish("job", data)
        told = next(events)[2]
    assert told["text"] == data["text"]
    assert told["nan"] is None
    assert told["list"] == [1, 2]
    assert json.dumps(told)
