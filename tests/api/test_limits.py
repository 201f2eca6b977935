"""Bodies that are too large, too slow or not what they say cost the others nothing."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest

from appliance.api import limits
from appliance.api import server as server_module
from appliance.api.limits import JSON_BYTES
from appliance.library import disk
from tests.api.conftest import CAP_MB, TOKEN, Server, Sound, incoming
from tests.api.raw import ask, connect, read_reply
from tests.waiting import until

HEAD = f"Host: localhost\r\nAuthorization: Bearer {TOKEN}\r\nConnection: close\r\n"
FORM = "Content-Type: multipart/form-data; boundary=b\r\n"
PART = '--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'


def nothing_left(server: Server) -> None:
    until(lambda: incoming(server.services) == [], "the upload's files are still there")
    assert server.services.house.clips.count() == 0


def test_a_body_over_the_cap_is_refused_before_it_is_read(server: Server) -> None:
    size = CAP_MB * 1_000_000 + 1
    request = f"POST /api/v1/clips HTTP/1.1\r\n{HEAD}{FORM}Content-Length: {size}\r\n\r\n"
    with connect(server.port) as line:
        line.sendall(request.encode())
        reply = read_reply(line)
    assert reply.status == 413
    assert b"http.max_upload_mb" in reply.body
    nothing_left(server)


def test_a_client_reads_the_refusal_of_a_body_that_it_has_sent(server: Server) -> None:
    content = b"x" * (CAP_MB * 1_000_000 + 1000)
    answer = server.http().post("/clips", files={"file": ("big.wav", content)})
    assert answer.status_code == 413
    assert "20.0 MB" in answer.json()["detail"]
    assert answer.json()["advice"]
    nothing_left(server)


def test_a_body_of_unknown_length_is_counted_as_it_comes(server: Server) -> None:
    def chunks() -> Iterator[bytes]:
        yield PART.encode()
        for _ in range(CAP_MB + 1):
            yield b"x" * 1_000_000
        yield b"\r\n--b--\r\n"

    answer = server.http().post(
        "/clips", content=chunks(), headers={"Content-Type": "multipart/form-data; boundary=b"}
    )
    assert answer.status_code == 413
    nothing_left(server)


def test_more_bytes_than_declared_are_not_part_of_the_body(server: Server) -> None:
    body = PART + "x" * 100
    request = f"POST /api/v1/clips HTTP/1.1\r\n{HEAD}{FORM}Content-Length: {len(body)}\r\n\r\n"
    reply = ask(server.port, request + body + "y" * 1000 + "\r\n--b--\r\n")
    assert reply.status == 422
    assert b"last boundary" in reply.body
    nothing_left(server)


def test_fewer_bytes_than_declared_leave_nothing(server: Server) -> None:
    request = f"POST /api/v1/clips HTTP/1.1\r\n{HEAD}{FORM}Content-Length: 10000\r\n\r\n"
    with connect(server.port) as line:
        line.sendall((request + PART + "x" * 1000).encode())
    nothing_left(server)


@pytest.mark.parametrize(
    "length", ["-1", "1e3", "abc", "99999999999999999999999", "5\r\nContent-Length: 6"]
)
def test_lengths_that_are_none_are_refused(server: Server, length: str) -> None:
    request = f"POST /api/v1/clips HTTP/1.1\r\n{HEAD}{FORM}Content-Length: {length}\r\n\r\n"
    assert ask(server.port, request).status in (400, 413)
    nothing_left(server)


def test_a_large_json_body_is_refused(shared: Server) -> None:
    http = shared.http()
    answer = http.post("/labels", json={"name": "x" * (JSON_BYTES + 1)})
    assert answer.status_code == 413
    assert answer.json()["advice"]

    def chunks() -> Iterator[bytes]:
        for _ in range(JSON_BYTES // 100_000 + 2):
            yield b" " * 100_000

    assert http.post("/labels", content=chunks()).status_code == 413


def test_a_large_body_for_a_route_that_takes_none_is_not_kept_in_memory(shared: Server) -> None:
    answer = shared.http().post("/deployments/rollback", content=b"x" * (JSON_BYTES + 1))
    assert answer.status_code == 413


def test_headers_without_end_are_refused(shared: Server) -> None:
    lines = "".join(f"X-{number}: {'y' * 1000}\r\n" for number in range(2000))
    with connect(shared.port) as line:
        with suppress(OSError):
            line.sendall(f"GET /healthz HTTP/1.1\r\n{HEAD}{lines}\r\n".encode())
        reply = read_reply(line)
    assert reply.status in (0, 400, 431)


def test_slow_senders_hold_nobody_up(server: Server, sound: Sound) -> None:
    """200 bodies that never come, and the daemon answers as if they were not there."""
    upload = f"POST /api/v1/clips HTTP/1.1\r\n{HEAD}{FORM}Content-Length: 10000\r\n\r\n{PART}"
    write = f"POST /api/v1/labels HTTP/1.1\r\n{HEAD}Content-Length: 100\r\n\r\n" + '{"na'
    stranger = "GET /api/v1/status HTTP/1.1\r\nHost: loc"
    with ExitStack() as stack:
        for number in range(200):
            line = stack.enter_context(connect(server.port))
            line.sendall((upload, write, stranger)[number % 3].encode())
        until(lambda: len(incoming(server.services)) == 67, "not every upload has begun")
        http = server.http()
        assert http.get("/labels").status_code == 200
        answer = http.post("/clips", files={"file": sound().read_bytes()})
        assert answer.status_code == 201
    until(lambda: incoming(server.services) == [], "the slow uploads' files are still there")


def test_a_body_that_stops_coming_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(limits, "JSON_SECONDS", 0.2)
    for path, kind, start in (("clips", FORM, PART), ("labels", "", '{"name"')):
        request = f"POST /api/v1/{path} HTTP/1.1\r\n{HEAD}{kind}Content-Length: 10000\r\n\r\n"
        with connect(server.port) as line:
            line.sendall((request + start).encode())
            reply = read_reply(line)
        assert reply.status == 408
        assert b"advice" in reply.body
    nothing_left(server)


def test_a_header_that_stops_coming_is_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "HEADER_SECONDS", 0.2)
    for start in ("", "GET /healthz HTT", f"GET /healthz HTTP/1.1\r\n{HEAD}"):
        assert ask(server.port, start).status == 0
    # Also after a request that was answered.
    with connect(server.port) as line:
        line.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200")
        line.sendall(b"GET /hea")
        assert read_reply(line).status == 0


def test_a_connection_that_works_for_long_is_not_given_up(
    server: Server, monkeypatch: pytest.MonkeyPatch, sound: Sound
) -> None:
    monkeypatch.setattr(server_module, "HEADER_SECONDS", 0.2)
    content = sound().read_bytes()
    body = PART.encode() + content + b"\r\n--b--\r\n"
    request = f"POST /api/v1/clips HTTP/1.1\r\n{HEAD}{FORM}"
    with connect(server.port) as line:
        line.sendall((request + f"Content-Length: {len(body)}\r\n\r\n").encode())
        for start in range(0, len(body), len(body) // 4):
            time.sleep(0.15)
            line.sendall(body[start : start + len(body) // 4])
        assert read_reply(line).status == 201


def test_connections_beyond_the_limit_are_closed_and_the_others_live(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_module, "MOST_CONNECTIONS", 5)
    http = server.http()
    assert http.get("/labels").status_code == 200
    with ExitStack() as stack:
        lines = [stack.enter_context(connect(server.port)) for _ in range(8)]
        assert read_reply(lines[-1]).status == 0
        assert http.get("/labels").status_code == 200


def test_a_full_disk_is_said_so_and_leaves_nothing(
    server: Server, monkeypatch: pytest.MonkeyPatch, sound: Sound
) -> None:
    monkeypatch.setattr(disk, "RESERVE_BYTES", 1 << 60)
    answer = server.http().post("/clips", files={"file": sound().read_bytes()})
    assert answer.status_code == 507
    assert answer.json()["advice"]
    nothing_left(server)


def test_uploads_at_the_same_time_do_not_mix(server: Server, sound: Sound) -> None:
    files = [sound() for _ in range(24)]
    clients = [server.http() for _ in range(6)]
    results: dict[int, Any] = {}

    def send(number: int) -> None:
        parts = [("file", (file.name, file.read_bytes())) for file in files[number::6]]
        results[number] = clients[number].post("/clips", files=parts).json()

    threads = [threading.Thread(target=send, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    names = [result["filename"] for number in results for result in results[number]["results"]]
    assert sorted(names) == sorted(file.name for file in files)
    assert server.services.house.clips.count() == len(files)
    assert incoming(server.services) == []
