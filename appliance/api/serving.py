"""Serving the API on both listeners until a signal ends the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Iterator

import uvicorn

from appliance import __version__
from appliance.api.app import create_app, prepare
from appliance.api.reload import reload
from appliance.api.server import server_config
from appliance.api.services import Services
from appliance.errors import EarmarkError
from appliance.logs import AUDIT

log = logging.getLogger(__name__)
audit = logging.getLogger(AUDIT)


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the daemon, which has two of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def serve_http(services: Services, unix: socket.socket, tcp: socket.socket) -> None:
    """Serve until a signal: the socket's permission is the key there, the token on TCP."""
    servers = [
        (_Server(server_config(create_app(services, trusted=trusted))), listener)
        for listener, trusted in ((unix, True), (tcp, False))
    ]

    def stop() -> None:
        log.info("stopping")
        services.close()
        for server, _ in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)

    def read_settings() -> None:
        try:
            reload(services, "signal")
            audit.info("SIGHUP settings/reload by signal: 200")
        except EarmarkError as error:
            log.error("settings not read again: %s (%s)", error, error.advice)

    # It reads the disk: not on the loop that answers.
    loop.add_signal_handler(signal.SIGHUP, lambda: loop.run_in_executor(None, read_settings))
    host, port = tcp.getsockname()[:2]
    services.port = port
    log.info(
        "earmark %s listens on http://%s:%d and %s, data in %s",
        __version__,
        host,
        port,
        unix.getsockname(),
        services.house.folder.root,
    )
    if services.routes is not None:
        # In a thread with a loop of its own: whoever comes meanwhile is answered, not kept waiting.
        loop.run_in_executor(None, asyncio.run, prepare(services.routes))
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in servers))
