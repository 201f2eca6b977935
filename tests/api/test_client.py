"""The client finds the daemon, and says in words what keeps it from it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from appliance.client import Client, ClientError, DaemonUnreachable, quoted
from tests.api.conftest import TOKEN, Server, Sound


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No daemon of the person who runs the tests."""
    for name in ("EARMARK_URL", "EARMARK_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EARMARK_DATA", str(tmp_path / "default"))
    monkeypatch.setattr("appliance.client.SERVICE_SOCKET", tmp_path / "none" / "api.sock")


def folder_of(shared: Server, where: Path, *, listening: bool = True) -> Path:
    """A data folder with the shared daemon's socket and token."""
    where.mkdir()
    (where / "token").write_text(TOKEN + "\n")
    if listening:
        (where / "api.sock").symlink_to(shared.socket_path)
    return where


def test_by_the_data_folder(shared: Server, tmp_path: Path) -> None:
    folder = folder_of(shared, tmp_path / "default")
    for found in (Client.find(), Client.find(data=folder), Client.find(data=str(folder))):
        with found as client:
            assert client.address.startswith("unix:")
            assert "items" in client.get("/labels")


def test_by_the_services_socket(
    shared: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.client.SERVICE_SOCKET", shared.socket_path)
    with Client.find() as client:
        assert "items" in client.get("/labels")
    # But a folder that was named is that folder's daemon or none.
    with pytest.raises(DaemonUnreachable, match="other"):
        Client.find(data=tmp_path / "other")


def test_by_url_with_the_token_of_the_folder(
    shared: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(shared, tmp_path / "default", listening=False)
    with Client.find(url=shared.url) as client:
        assert "items" in client.get("/labels")
    monkeypatch.setenv("EARMARK_URL", shared.url)
    with Client.find() as client:
        assert "items" in client.get("/labels")
    (folder / "token").write_text("wrong" * 8)
    monkeypatch.setenv("EARMARK_TOKEN", TOKEN)
    with Client.find() as client:
        assert "items" in client.get("/labels")
    with Client.find(token="wrong" * 8) as client, pytest.raises(ClientError) as caught:
        client.get("/labels")
    assert caught.value.status == 401
    assert "token" in caught.value.advice


def test_a_named_folder_goes_before_the_environments_url(
    shared: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = folder_of(shared, tmp_path / "default")
    monkeypatch.setenv("EARMARK_URL", "http://127.0.0.1:1")
    with Client.find(data=folder) as client:
        assert client.address.startswith("unix:")


def test_the_folders_token_never_leaves_this_box(shared: Server, tmp_path: Path) -> None:
    folder_of(shared, tmp_path / "default", listening=False)
    for url, sent in (
        ("http://127.0.0.1:1", True),
        ("http://localhost:1", True),
        ("http://[::1]:1", True),
        ("http://box.example:8710", False),
        ("http://127.0.0.1.example", False),
    ):
        with Client.find(url=url) as client:
            assert ("Authorization" in client._http.headers) is sent, url


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(DaemonUnreachable) as caught:
        Client.find()
    assert "earmark serve" in caught.value.advice
    # A crashed daemon leaves its socket behind.
    dead = tmp_path / "dead"
    dead.mkdir()
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(dead / "api.sock"))
    with pytest.raises(DaemonUnreachable):
        Client.find(data=dead)
    with Client(url="http://127.0.0.1:1") as client, pytest.raises(DaemonUnreachable):
        client.get("/status")
    with Client(url="http://127.0.0.1:1") as client:
        assert client.healthy() is False


@pytest.mark.parametrize("url", ["nonsense", "ftp://x", "http://", "http://[", "http://x:y"])
def test_an_address_that_is_none(url: str) -> None:
    with pytest.raises(ClientError), Client.find(url=url) as client:
        client.get("/status")


def test_something_else_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def answer() -> None:
            line, _ = listener.accept()
            with line:
                line.recv(65536)
                line.sendall(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno")

        thread = threading.Thread(target=answer)
        thread.start()
        with Client(url=f"http://127.0.0.1:{port}") as client, pytest.raises(ClientError) as caught:
            client.get("/status")
        thread.join(30)
    assert "really an Earmark daemon" in caught.value.advice


def broken_then_whole(server: Server, breaks: int) -> tuple[socket.socket, threading.Thread]:
    """A door that drops the first connections after some bytes and hands on the others."""
    listener = socket.create_server(("127.0.0.1", 0))

    def pump(source: socket.socket, sink: socket.socket) -> None:
        while block := source.recv(65536):
            sink.sendall(block)
        sink.shutdown(socket.SHUT_WR)

    def run() -> None:
        for _ in range(breaks):
            line, _ = listener.accept()
            line.recv(1000)
            line.close()
        line, _ = listener.accept()
        with line, socket.create_connection(("127.0.0.1", server.port)) as behind:
            back = threading.Thread(target=pump, args=(behind, line))
            back.start()
            pump(line, behind)
            back.join(30)

    thread = threading.Thread(target=run)
    thread.start()
    return listener, thread


def test_an_upload_survives_a_broken_line(
    server: Server, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.client.time.sleep", lambda seconds: None)
    listener, thread = broken_then_whole(server, breaks=2)
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url=url, token=TOKEN) as client:
            answer = client.upload("/clips", [sound(seconds=2) for _ in range(5)])
        thread.join(30)
    assert len(answer["results"]) == 5
    assert server.services.house.clips.count() == 5


def test_an_upload_gives_up_in_words(
    server: Server, sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.client.time.sleep", lambda seconds: None)
    listener, thread = broken_then_whole(server, breaks=3)
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url=url, token=TOKEN) as client:
            with pytest.raises(DaemonUnreachable) as caught:
                client.upload("/clips", [sound()])
            assert caught.value.advice
            assert client.healthy()
        thread.join(30)


def test_what_is_not_safe_to_repeat_is_not_repeated(server: Server, sound: Sound) -> None:
    listener, thread = broken_then_whole(server, breaks=1)
    with listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with Client(url=url, token=TOKEN) as client:
            with pytest.raises(DaemonUnreachable):
                client.upload("/versions/import", [sound()])
            assert client.healthy()
        thread.join(30)


def test_names_in_paths() -> None:
    assert quoted("replay:/a b?x=1") == "replay%3A%2Fa%20b%3Fx%3D1"
    assert quoted(7) == "7"


def test_it_starts_light() -> None:
    heavy = ("torch", "fastapi", "starlette", "uvicorn", "numpy", "sqlite_utils", "pydantic")
    code = f"import sys, appliance.client; print([m for m in {heavy!r} if m in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )
    assert ran.stdout.strip() == "[]"
