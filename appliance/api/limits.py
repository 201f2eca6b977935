"""How large and how slow a request's body may be.

An upload route streams its body to disk and counts it there. Every other body is JSON: it is
read here, whole but small, so that no route ever holds a large one in memory or waits for a
sender who never ends.
"""

from __future__ import annotations

from typing import Any

import anyio
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.api import problems
from appliance.errors import EarmarkError
from appliance.units import human_size

JSON_BYTES = 4 << 20
JSON_SECONDS = 30.0
"""A whole JSON body must be here by then."""
IDLE_SECONDS = 30.0
"""An upload may take long, but not pause for longer than this."""
UPLOADS = ("/api/v1/clips", "/api/v1/predict", "/api/v1/versions/import")

_DRAIN_SECONDS = 3.0


class TooSlow(EarmarkError):
    """The sender paused for too long."""

    status = 408

    def __init__(self) -> None:
        super().__init__(
            "the body stopped coming: nothing of it was kept",
            "send it again, over a line that does not stall",
        )


class Limits:
    """ASGI middleware: caps for bodies, and a time in which they must come."""

    def __init__(self, app: ASGIApp, *, upload_bytes: int) -> None:
        self._app = app
        self._upload_bytes = upload_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] in ("GET", "HEAD", "OPTIONS"):
            await self._app(scope, receive, send)
            return
        upload = scope["method"] == "POST" and scope["path"] in UPLOADS
        cap = self._upload_bytes if upload else JSON_BYTES
        if declared(scope) > cap:
            await _refuse_size(cap, upload, scope, receive, send)
            return
        if upload:
            await self._app(scope, _impatient(receive), send)
            return
        body = bytearray()
        try:
            with anyio.fail_after(JSON_SECONDS):
                more = True
                while more:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        return
                    body += message.get("body", b"")
                    more = message.get("more_body", False)
                    if len(body) > cap:
                        await _refuse_size(cap, upload, scope, receive, send)
                        return
        except TimeoutError:
            refusal = problems.respond(problems.of_error(TooSlow()), {"Connection": "close"})
            await refusal(scope, receive, send)
            return
        await self._app(scope, _replayed(bytes(body), receive), send)


def declared(scope: Scope) -> int:
    """Content-Length, or 0 when there is none (the server has checked its form)."""
    for key, value in scope["headers"]:
        if key == b"content-length" and value.isdigit():
            return int(value)
    return 0


def of_size(cap: int, upload: bool) -> dict[str, Any]:
    advice = (
        "send fewer files in a request, or raise the setting http.max_upload_mb"
        if upload
        else "send fewer ids in a request"
    )
    return problems.problem(413, f"the body is larger than {human_size(cap)}", advice)


async def drain(scope: Scope, receive: Receive) -> None:
    """Read what still comes, for a moment, before a refusal is sent.

    A connection that is closed on unread bytes is reset, and the client never sees the answer.
    A client that asked "Expect: 100-continue" has sent nothing yet and is not asked to.
    """
    if any(key == b"expect" for key, _ in scope["headers"]):
        return
    with anyio.move_on_after(_DRAIN_SECONDS):
        while True:
            message = await receive()
            if message["type"] != "http.request" or not message.get("more_body", False):
                return


async def _refuse_size(cap: int, upload: bool, scope: Scope, receive: Receive, send: Send) -> None:
    await drain(scope, receive)
    response = problems.respond(of_size(cap, upload), {"Connection": "close"})
    await response(scope, receive, send)


def _impatient(receive: Receive) -> Receive:
    """`receive`, but a sender who pauses for too long is an error."""

    async def within_time() -> Message:
        try:
            with anyio.fail_after(IDLE_SECONDS):
                return await receive()
        except TimeoutError:
            raise TooSlow from None

    return within_time


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives `body` at once, and then what the server says (a disconnect)."""
    given = False

    async def replay() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replay
