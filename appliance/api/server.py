"""How uvicorn serves us: the settings that protect the box, the same on both listeners."""

from __future__ import annotations

import asyncio
from typing import cast

import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_SECONDS = 10.0
"""A connection that has not sent a whole request's header by then is closed."""
IDLE_SECONDS = 30
MOST_CONNECTIONS = 400
"""Of each listener; well below the usual limit of 1024 open files."""
HEADER_BYTES = 16 * 1024
STOP_SECONDS = 5


def server_config(app: ASGIApp) -> uvicorn.Config:
    """The configuration for `uvicorn.Server(...).serve(sockets=[...])`."""
    return uvicorn.Config(
        app,
        http=ImpatientProtocol,
        ws="none",
        lifespan="off",
        # The daemon has its own log; a line a request would wear out the disk.
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # No proxy stands in front of us: who asks is who is connected.
        proxy_headers=False,
        h11_max_incomplete_event_size=HEADER_BYTES,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=STOP_SECONDS,
    )


class ImpatientProtocol(H11Protocol):
    """uvicorn waits for ever for a header, and takes connections without end; this does not."""

    _alarm: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(cast(asyncio.Transport, transport))
        if len(self.connections) > MOST_CONNECTIONS:
            transport.close()
        else:
            self._expect_a_request()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._set_alarm(None)
        elif self._alarm is None and not self.transport.is_closing():
            self._expect_a_request()

    def connection_lost(self, exc: Exception | None) -> None:
        self._set_alarm(None)
        super().connection_lost(exc)

    def _expect_a_request(self) -> None:
        self._set_alarm(self.loop.call_later(HEADER_SECONDS, self.transport.close))

    def _set_alarm(self, alarm: asyncio.TimerHandle | None) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
        self._alarm = alarm
