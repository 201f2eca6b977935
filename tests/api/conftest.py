"""A real server on loopback, over real services on a folder of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import httpx
import numpy as np
import pytest
import soundfile
import uvicorn

from appliance.api.app import create_app
from appliance.api.server import server_config
from appliance.api.services import Services
from appliance.audio.decode import Decoder
from appliance.client import Client
from appliance.daemon import running
from appliance.hardware.kit import Kit
from appliance.paths import DataFolder
from appliance.settings import HttpSettings, Settings
from firmware_hooks.hotplug import FakeHotplug
from firmware_hooks.lines import FakeLines
from firmware_hooks.power_control import FakePower
from firmware_hooks.sensors import FakeSensors

TOKEN = "a-token-that-only-the-tests-know-0123456789"
CAP_MB = 20
RATE = 16_000


@contextmanager
def services_on(root: Path, decoder: Decoder) -> Iterator[Services]:
    """The daemon's own, on a fake board; nothing listens, trains or records until a test starts
    it."""
    folder = DataFolder(root)
    folder.create()
    folder.token.touch(0o600)
    folder.token.write_text(TOKEN)
    board = FakeSensors(watts={"VDD_IN": 4.8})
    kit = Kit(board, FakeLines(), FakePower(), FakeHotplug(), {}, root)
    settings = Settings(http=HttpSettings(port=0, max_upload_mb=CAP_MB))
    with running(folder, settings, kit=kit, decoder=decoder, idle=True) as services:
        try:
            yield services
        finally:
            services.house.microphones.stop()


@dataclass
class Server:
    """Both listeners of one set of services, in a thread."""

    services: Services
    port: int
    socket_path: Path
    servers: list[uvicorn.Server]
    thread: threading.Thread
    clients: list[httpx.Client | Client] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def anonymous(self) -> httpx.Client:
        """Over TCP, without a token."""
        return self._kept(httpx.Client(base_url=self.url, timeout=60, trust_env=False))

    def http(self) -> httpx.Client:
        """Over TCP, with the token; paths below /api/v1."""
        return self._kept(
            httpx.Client(
                base_url=self.url + "/api/v1",
                headers={"Authorization": f"Bearer {TOKEN}"},
                timeout=60,
                trust_env=False,
            )
        )

    def local(self) -> httpx.Client:
        """Over the unix socket."""
        transport = httpx.HTTPTransport(uds=str(self.socket_path))
        return self._kept(
            httpx.Client(base_url="http://localhost/api/v1", transport=transport, timeout=60)
        )

    def client(self) -> Client:
        """The product's own client."""
        client = Client(url=self.url, token=TOKEN, author="tester")
        self.clients.append(client)
        return client

    def stop(self) -> None:
        """As the daemon does it."""
        self.services.close()
        for one in self.servers:
            one.should_exit = True
        self.thread.join(60)
        assert not self.thread.is_alive(), "the servers do not stop"

    def _kept(self, client: httpx.Client) -> httpx.Client:
        self.clients.append(client)
        return client


def serve(services: Services, root: Path) -> Iterator[Server]:
    tcp = socket.create_server(("127.0.0.1", 0))
    local = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    path = root / "api.sock"
    local.bind(str(path))
    servers = [
        uvicorn.Server(server_config(create_app(services))),
        uvicorn.Server(server_config(create_app(services, trusted=True))),
    ]

    async def run() -> None:
        await asyncio.gather(
            *(one.serve(sockets=[sock]) for one, sock in zip(servers, (tcp, local), strict=True))
        )

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    services.port = tcp.getsockname()[1]
    server = Server(services, tcp.getsockname()[1], path, servers, thread)
    try:
        yield server
    finally:
        for client in server.clients:
            client.close()
        server.stop()


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    """The decoding children, which take a moment to start."""
    made = Decoder(2)
    yield made
    made.close()


@pytest.fixture(scope="session")
def shared(tmp_path_factory: pytest.TempPathFactory, decoder: Decoder) -> Iterator[Server]:
    """One server for every test that does not mind what others have stored."""
    root = tmp_path_factory.mktemp("api")
    with services_on(root / "data", decoder) as services:
        yield from serve(services, root)


@pytest.fixture
def server(tmp_path: Path, decoder: Decoder) -> Iterator[Server]:
    """A server of one's own, on an empty folder."""
    with services_on(tmp_path / "data", decoder) as services:
        yield from serve(services, tmp_path)


@pytest.fixture
def limited(tmp_path: Path, decoder: Decoder) -> Iterator[Server]:
    """A server on whose TCP listener the token may send 20 requests a minute."""
    with services_on(tmp_path / "data", decoder) as services:
        http = replace(services.settings.http, requests_a_minute=20)
        services.settings = replace(services.settings, http=http)
        yield from serve(services, tmp_path)


Sound = Callable[..., Path]


@pytest.fixture
def sound(tmp_path: Path) -> Sound:
    """`sound("a.wav", seconds=1)` writes a file that no other call writes again."""
    made = iter(range(1_000_000))
    # Other tests of a shared server must not have stored the same sound.
    seed = abs(hash(str(tmp_path))) % 2**32

    def write(name: str = "", seconds: float = 0.25, rate: int = RATE) -> Path:
        number = next(made)
        noise = np.random.default_rng([seed, number]).normal(scale=0.1, size=round(seconds * rate))
        path = tmp_path / (name or f"sound-{number}.wav")
        soundfile.write(path, noise.astype(np.float32), rate)
        return path

    return write


def incoming(services: Services) -> list[str]:
    """What lies in the folder of half-done things: nothing, when all is well."""
    return sorted(path.name for path in services.house.folder.incoming.iterdir())
