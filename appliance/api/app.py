"""The application: routes, wrapped in limits, wrapped in access. One for each listener."""

from __future__ import annotations

import logging

from fastapi import FastAPI
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance import __version__
from appliance.api import problems
from appliance.api.access import Access, allowed_hosts
from appliance.api.limits import Limits
from appliance.api.openapi import describe
from appliance.api.routes import ROUTERS, hear, outside
from appliance.api.services import Services

log = logging.getLogger(__name__)

PREFIX = "/api/v1"

_DESCRIPTION = """Record, label, train and listen on one device.

Over TCP every request needs `Authorization: Bearer TOKEN`; over the unix socket none does.
Errors are RFC 9457 problems with `detail` (what is wrong) and `advice` (what to do).
Lists are `{"items": [...], "next": cursor or null}`; times are seconds since 1970."""


def create_app(services: Services, *, trusted: bool = False) -> ASGIApp:
    """The application of one listener: the TCP listener's, or the unix socket's if `trusted`.

    Both share one set of routes. Raises InvalidInput when the TCP listener would have no token.
    """
    if services.routes is None:
        services.routes = build(services)
    http = services.settings.http
    return Access(
        Limits(_LastResort(services.routes), upload_bytes=http.max_upload_mb * 1_000_000),
        token=services.token,
        hosts=allowed_hosts(http.host, http.allowed_hosts),
        trusted=trusted,
        links=services.links,
        requests_a_minute=http.requests_a_minute,
        failures_a_minute=http.failures_a_minute,
    )


def build(services: Services | None) -> FastAPI:
    """The routes alone, without access control; without services only to be described."""
    app = FastAPI(
        title="Earmark",
        version=__version__,
        description=_DESCRIPTION,
        openapi_url=f"{PREFIX}/openapi.json",
        # Their pages load scripts from the internet, and could not send the token.
        docs_url=None,
        redoc_url=None,
        # A path that is a slash too long is unknown, rather than sent elsewhere.
        redirect_slashes=False,
        separate_input_output_schemas=False,
    )
    app.state.services = services
    problems.install(app)
    app.include_router(outside.router)
    app.include_router(hear.open_router)
    for router in ROUTERS:
        app.include_router(router, prefix=PREFIX)
    describe(app)
    return app


async def prepare(app: ASGIApp) -> None:
    """Make ready what FastAPI makes when the first request looks for its route in a router, some
    0.2 s of a desktop's core for all of them: a request that nobody answers looks everywhere."""

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(_: Message) -> None:
        """Nobody asked."""

    path = f"{PREFIX}/nothing/is/here"
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [],
    }
    await app(scope, receive, send)


class _LastResort:
    """What even the handlers let through is logged once and ends here.

    Starlette answers an unexpected error with our handler and then raises it again for the
    server's log, which would say it a second time.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        async def watched(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            if scope["type"] != "http":
                raise
            if not started:
                response = await problems.unexpected(Request(scope), error)
                await response(scope, receive, send)
