"""Nobody without the token or the socket comes in, whatever they ask for."""

from __future__ import annotations

import re
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from appliance.api.access import Access, allowed_hosts
from appliance.api.app import build, create_app
from appliance.api.rate import Failures, Rate
from appliance.client import Client, ClientError
from appliance.client_patience import PatientTransport
from appliance.errors import InvalidInput
from appliance.settings import HttpSettings
from tests.api.conftest import TOKEN, Server, Sound
from tests.api.raw import ask

DOCUMENT: dict[str, Any] = build(None).openapi()
OPERATIONS = [
    (method.upper(), re.sub(r"\{[^}]*\}", "1", path))
    for path, operations in DOCUMENT["paths"].items()
    for method in operations
]
CLOSED = [(method, path) for method, path in OPERATIONS if path != "/healthz"]
CLOSED += [("GET", "/api/v1/openapi.json"), ("GET", "/docs"), ("GET", "/"), ("POST", "/nowhere")]


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": f"Bearer {TOKEN[:-1]}"},
        {"Authorization": f"Bearer {TOKEN}x"},
        {"Authorization": f"Bearer {TOKEN.upper()}"},
        {"Authorization": f"Basic {TOKEN}"},
        {"Authorization": TOKEN},
        {"X-Token": TOKEN},
        {"Cookie": f"token={TOKEN}"},
    ],
)
def test_no_route_answers_without_the_token(server: Server, headers: dict[str, str]) -> None:
    http = server.anonymous()
    for method, path in CLOSED:
        answer = http.request(method, path, headers=headers)
        assert answer.status_code in (401, 429), (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["advice"]
        assert TOKEN not in answer.text


def test_every_route_is_there_with_the_token(shared: Server) -> None:
    """So that the refusals above are not those of a route that does not exist."""
    authorized = {"Authorization": f"Bearer {TOKEN}"}
    http = httpx.Client(base_url=shared.url, headers=authorized, timeout=60)
    with http:
        for method, path in OPERATIONS:
            if path == "/api/v1/events":
                continue
            status = http.request(method, path).status_code
            assert status not in (401, 403, 405, 429), (method, path)
            assert status < 500 or status == 503, (method, path)


def test_a_scheme_without_a_secret_is_refused(shared: Server) -> None:
    for given in ("Bearer ", "bearer", " ", "Bearer\t"):
        request = (
            "GET /api/v1/labels HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            f"Authorization: {given}\r\n\r\n"
        )
        assert ask(shared.port, request).status in (400, 401, 429)


def test_a_token_in_the_address_is_no_token(server: Server) -> None:
    http = server.anonymous()
    assert http.get(f"/api/v1/status?token={TOKEN}&access_token={TOKEN}").status_code == 401


def test_two_authorization_headers_are_none(shared: Server) -> None:
    request = (
        "GET /api/v1/labels HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        f"Authorization: Bearer wrong\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    )
    assert ask(shared.port, request).status == 401


def test_health_is_open_and_says_little(shared: Server) -> None:
    answer = shared.anonymous().get("/healthz")
    assert answer.status_code == 200
    assert set(answer.json()) == {"status", "version"}


def test_the_socket_needs_no_token(shared: Server) -> None:
    assert shared.local().get("/labels").status_code == 200


@pytest.mark.parametrize("token", ["", "   ", "\n", "short"])
def test_an_empty_token_opens_no_listener(token: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        raise AssertionError("not to be reached")

    with pytest.raises(InvalidInput, match="token"):
        Access(app, token=token, hosts=frozenset({"localhost"}))
    Access(app, token=token, hosts=frozenset({"localhost"}), trusted=True)


def test_the_daemon_cannot_build_a_tcp_listener_without_a_token(server: Server) -> None:
    server.services.token = ""
    with pytest.raises(InvalidInput):
        create_app(server.services)


def test_many_failures_are_slowed_down_and_the_right_token_is_not(server: Server) -> None:
    http = server.anonymous()
    for _ in range(HttpSettings().failures_a_minute):
        assert http.get("/api/v1/status").status_code == 401
    refused = http.get("/api/v1/status")
    assert refused.status_code == 429
    assert 0 < int(refused.headers["retry-after"]) <= 60
    assert refused.json()["retry_after_s"] == int(refused.headers["retry-after"])
    assert server.http().get("/labels").status_code == 200


def test_failures_are_forgotten_after_a_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("appliance.api.rate.time.monotonic", lambda: now)
    failures = Failures(3, clients=2)
    assert [failures.wait_s("a") for _ in range(5)] == [0, 0, 0, 60, 60]
    now = 61.0
    assert failures.wait_s("a") == 0
    for client in ("b", "c", "d"):
        failures.wait_s(client)
    assert len(failures._times) == 2


def test_a_share_of_requests_comes_back_with_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("appliance.api.rate.time.monotonic", lambda: now)
    rate = Rate(60, names=2)
    assert [rate.wait_s("a") for _ in range(62)] == [0.0] * 60 + [1.0, 1.0]
    assert rate.wait_s("b") == 0.0
    now = 1.5
    assert [rate.wait_s("a") for _ in range(2)] == [0.0, 0.5]
    now = 1000.0
    assert [rate.wait_s("a") for _ in range(61)] == [0.0] * 60 + [1.0]
    assert {Rate(0).wait_s("a") for _ in range(1000)} == {0.0}


def test_a_token_has_a_share_on_tcp_and_the_socket_has_no_limit(limited: Server) -> None:
    http = limited.http()
    statuses = [http.get("/labels").status_code for _ in range(25)]
    assert statuses[:20] == [200] * 20
    assert statuses[-1] == 429
    refused = http.get("/labels")
    assert refused.headers["content-type"] == "application/problem+json"
    assert refused.json()["type"] == "urn:earmark:problem:rate"
    assert refused.json()["retry_after_s"] == int(refused.headers["retry-after"]) >= 1
    assert "http.requests_a_minute" in refused.json()["advice"]
    # Whoever has no token does not use up the share, nor the other way round.
    assert limited.anonymous().get("/labels").status_code == 401
    local = limited.local()
    assert {local.get("/labels").status_code for _ in range(100)} == {200}


def test_our_own_client_waits_as_it_is_told(
    limited: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a clock that goes only while the client sleeps."""
    slept: list[float] = []
    monkeypatch.setattr("appliance.api.rate.time", SimpleNamespace(monotonic=lambda: sum(slept)))
    client = limited.client()
    client._http._transport = PatientTransport(httpx.HTTPTransport(), slept.append)
    for _ in range(50):
        client.get("/labels")
    # The first 20 at once, the other 30 with 3 s between them.
    assert sum(slept) >= 80
    files = [("a.wav", b"no sound")]
    with pytest.raises(ClientError, match="it is text"):
        client.upload("/clips", files)
    with pytest.raises(ClientError, match="token"):
        Client(url=limited.url, token="wrong" * 8).get("/labels")


def test_every_write_is_noted_without_secrets(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    http = server.http()
    with caplog.at_level("INFO", logger="appliance.audit"):
        http.post("/labels", json={"name": "dog"}, headers={"X-Author": "ana%0Aevil"})
        http.delete("/labels/no%0Asuch")
        http.get("/labels")
    assert [record.getMessage() for record in caplog.records] == [
        "POST /api/v1/labels by anaevil: 201",
        "DELETE /api/v1/labels/no%0Asuch by api: 422",
    ]


def test_a_refused_path_cannot_write_lines_into_the_log(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO"):
        server.anonymous().get("/api/v1/%0AERROR%20all%20is%20lost")
        server.http().get("/%0AERROR%20all%20is%20lost")
    messages = [record.getMessage() for record in caplog.records]
    assert any("refused GET" in message for message in messages)
    assert not any("\n" in message or TOKEN in message for message in messages)


# --- Host -------------------------------------------------------------------------------------


def get(hosts: list[str], version: str = "1.1", path: str = "/healthz") -> str:
    lines = "".join(f"Host: {host}\r\n" for host in hosts)
    return (
        f"GET {path} HTTP/{version}\r\n{lines}Authorization: Bearer {TOKEN}\r\n"
        "Connection: close\r\n\r\n"
    )


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST", "localhost:8710", "127.0.0.1:1", "[::1]:80", "[::1]"]
)
def test_our_own_names_are_answered(shared: Server, host: str) -> None:
    assert ask(shared.port, get([host])).status == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:8710",
        "localhost.evil.example",
        "127.0.0.1.evil.example",
        "evil.example@localhost",
        "localhost@evil.example",
        "localhost:8710:1",
        "localhost:port",
        "localhost,evil.example",
        "localhost/evil",
        "192.168.1.10",
        "0.0.0.0",
        "[::2]",
        "",
        "localhost\t",
        " ",
    ],
)
def test_foreign_names_are_refused_with_the_token_and_on_every_path(
    shared: Server, host: str
) -> None:
    for path in ("/healthz", "/api/v1/labels", "/nowhere"):
        reply = ask(shared.port, get([host], path=path))
        if host.strip() == "localhost":
            assert reply.status in (200, 404)
        else:
            assert reply.status in (400, 403), (host, path)


def test_a_missing_host_is_refused(shared: Server) -> None:
    assert ask(shared.port, get([])).status == 400
    assert ask(shared.port, get([], version="1.0")).status == 400


def test_a_double_host_is_refused(shared: Server) -> None:
    assert ask(shared.port, get(["localhost", "localhost"])).status == 400
    assert ask(shared.port, get(["localhost", "evil.example"])).status == 400
    assert ask(shared.port, get(["evil.example", "localhost"])).status == 400


def test_the_whole_address_in_the_request_line_is_no_way_around(shared: Server) -> None:
    request = (
        "GET http://localhost/healthz HTTP/1.1\r\nHost: evil.example\r\nConnection: close\r\n\r\n"
    )
    assert ask(shared.port, request).status == 403


def test_the_socket_checks_the_host_too(shared: Server) -> None:
    answer = shared.local().get("/labels", headers={"Host": "evil.example"})
    assert answer.status_code == 403
    assert "allowed_hosts" in answer.json()["advice"]


def test_the_settings_add_names_and_the_listening_address_is_one() -> None:
    hosts = allowed_hosts("192.168.1.10", ["Box.Local "])
    assert {"192.168.1.10", "box.local", "localhost"} <= hosts
    assert "0.0.0.0" not in allowed_hosts("0.0.0.0", [])
    assert "[fd00::1]" in allowed_hosts("fd00::1", [])


# --- Origin -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost.evil.example"},
        {"Origin": "file://"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_foreign_page_cannot_write(shared: Server, sound: Sound, headers: dict[str, str]) -> None:
    for http in (shared.http(), shared.local()):
        before = shared.services.house.labels.all()
        for method in ("POST", "PUT", "PATCH", "DELETE"):
            answer = http.request(method, "/labels", json={"name": "evil"}, headers=headers)
            assert answer.status_code == 403
        answer = http.post("/clips", files={"file": sound().read_bytes()}, headers=headers)
        assert answer.status_code == 403
        assert shared.services.house.labels.all() == before


def test_our_own_page_and_clients_without_origin_can_write(server: Server) -> None:
    own = {"Origin": f"http://127.0.0.1:{server.port}", "Sec-Fetch-Site": "same-origin"}
    assert server.http().post("/labels", json={"name": "a"}, headers=own).status_code == 201
    assert server.http().post("/labels", json={"name": "b"}).status_code == 201


def test_no_cookies_and_no_cors(shared: Server) -> None:
    preflight = shared.http().options(
        "/labels",
        headers={"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"},
    )
    for answer in (preflight, shared.http().get("/labels", headers={"Origin": "https://e.x"})):
        assert "set-cookie" not in answer.headers
        assert not [name for name in answer.headers if name.startswith("access-control")]


# --- who did it -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "local", "name"),
    [
        (None, False, "api"),
        (None, True, "local"),
        ("ana", False, "ana"),
        ("J%C3%BCrgen", False, "Jürgen"),
        ("a%0Ab%1Bc", False, "abc"),
        ("%20%20", True, "local"),
        ("x" * 200, False, "x" * 64),
    ],
)
def test_the_history_says_who(
    shared: Server, sound: Sound, header: str | None, local: bool, name: str
) -> None:
    http = shared.local() if local else shared.http()
    headers = {} if header is None else {"X-Author": header}
    http.post("/labels", json={"name": "who"})
    [result] = http.post("/clips", files={"file": sound().read_bytes()}).json()["results"]
    clip = result["clips"][0]["id"]
    answer = http.put(f"/clips/{clip}/label", json={"label": "who"}, headers=headers)
    assert answer.json()["label"] == "who"
    [change] = http.get(f"/clips/{clip}/history").json()["items"]
    assert change["author"] == name
