"""Who may come in, decided before anything else sees the request.

1. Host: an allow-list on every listener, the socket too. A web page that points its own name at
   127.0.0.1 (DNS rebinding) sends its own name here, and is refused.
2. Origin: a write that a foreign web page started is refused.
3. Token: on TCP every path but /healthz needs `Authorization: Bearer TOKEN`; links to a clip carry
   a signature of their own, which is checked here (`links.py`). The unix socket needs none: the
   file's permissions are its lock.

4. Rate: on TCP each token has a share of requests a minute, and so have failures without the right
   one (`rate.py`); the unix socket has no limit.

There are no cookies and no CORS, so a browser has nothing to send along by itself.
"""

from __future__ import annotations

import hmac
import logging
import math
import re
import unicodedata
from collections.abc import Iterable
from typing import Any
from urllib.parse import unquote, urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from appliance.api import problems
from appliance.api.limits import drain
from appliance.api.links import PREFIX as LINKS
from appliance.api.links import ClipLinks
from appliance.api.rate import Failures, Rate
from appliance.errors import InvalidInput

log = logging.getLogger(__name__)
# Every write that was let in, by whom, and how it ended; never a token or a body.
audit = logging.getLogger("appliance.audit")

ALWAYS_ALLOWED = ("localhost", "127.0.0.1", "[::1]")
OPEN_PATHS = ("/healthz",)
SHORTEST_TOKEN = 16

_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::\d{1,5})?")
_WRITES = ("POST", "PUT", "PATCH", "DELETE")
_WILDCARDS = ("", "0.0.0.0", "::")


def allowed_hosts(listen: str, further: Iterable[str]) -> frozenset[str]:
    """The names that a Host header may carry; `listen` is the address of the TCP listener."""
    names = {*ALWAYS_ALLOWED, *(name.lower().strip() for name in further)}
    if listen not in _WILDCARDS:
        names.add(f"[{listen}]" if ":" in listen else listen.lower())
    return frozenset(names)


class Access:
    """ASGI middleware around the whole application; `trusted` on the unix socket."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        token: str,
        hosts: frozenset[str],
        trusted: bool = False,
        links: ClipLinks | None = None,
        requests_a_minute: int = 0,
        failures_a_minute: int = 30,
    ) -> None:
        """links: those that the application gives out; without them none opens.
        requests_a_minute: of one token, 0 without limit; never on the unix socket."""
        if not trusted and len(token.strip()) < SHORTEST_TOKEN:
            raise InvalidInput(
                "the token is empty or too short to protect anything",
                "delete the file `token` in the data folder: the daemon then makes a new one",
            )
        self._app = app
        self._token = token.strip().encode()
        self._hosts = hosts
        self._trusted = trusted
        self._links = links or ClipLinks()
        self._rate = Rate(0 if trusted else requests_a_minute)
        self._failures = Failures(failures_a_minute)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        refusal = self._host(scope) or self._origin(scope) or self._bearer(scope)
        if refusal is not None:
            await drain(scope, receive)
            headers = {"Connection": "close"}
            if refusal["status"] == 401:
                headers["WWW-Authenticate"] = 'Bearer realm="earmark"'
            if refusal["status"] == 429:
                headers["Retry-After"] = str(refusal["retry_after_s"])
            await problems.respond(refusal, headers)(scope, receive, send)
            return
        author = self._author(scope)
        scope.setdefault("state", {})["author"] = author
        if scope["method"] not in _WRITES:
            await self._app(scope, receive, send)
            return

        async def told(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = problems.shown_path(scope)
                audit.info("%s %s by %s: %d", scope["method"], path, author, message["status"])
            await send(message)

        await self._app(scope, receive, told)

    def _host(self, scope: Scope) -> dict[str, Any] | None:
        given = _values(scope, b"host")
        if len(given) != 1:
            return problems.problem(
                400,
                "a request needs exactly one Host header",
                "send Host: localhost",
                name="host",
                title="Host missing or doubled",
            )
        match = _HOST.fullmatch(given[0].decode("latin-1").lower())
        if match is not None and match[1] in self._hosts:
            return None
        return problems.problem(
            403,
            f"this daemon does not answer to the name {given[0].decode('latin-1')[:80]!r}",
            "use localhost or 127.0.0.1, or add the name to the setting http.allowed_hosts",
            name="host",
            title="Foreign Host",
        )

    def _origin(self, scope: Scope) -> dict[str, Any] | None:
        if scope["method"] not in _WRITES:
            return None
        origins = _values(scope, b"origin")
        cross = _values(scope, b"sec-fetch-site") not in ([], [b"same-origin"], [b"none"])
        if not cross and all(self._own(origin) for origin in origins):
            return None
        return problems.problem(
            403,
            "a web page of another site may not change anything here",
            "use the command line, or a client that sends no Origin header",
            name="origin",
            title="Foreign Origin",
        )

    def _own(self, origin: bytes) -> bool:
        try:
            parts = urlsplit(origin.decode("ascii"))
            host = parts.hostname or ""
        except ValueError:
            return False
        host = f"[{host}]" if ":" in host else host
        return parts.scheme in ("http", "https") and host in self._hosts

    def _bearer(self, scope: Scope) -> dict[str, Any] | None:
        if self._trusted:
            return None
        if scope["path"] in OPEN_PATHS:
            return self._too_often("open")
        link = scope["path"].startswith(LINKS)
        if link and scope["method"] in ("GET", "HEAD") and self._links.opens(scope["path"]):
            return self._too_often("link")
        given = _values(scope, b"authorization")
        scheme, _, secret = given[0].partition(b" ") if len(given) == 1 else (b"", b"", b"")
        # One comparison in constant time whatever came, an empty secret included.
        same = hmac.compare_digest(secret.strip(), self._token)
        if same and scheme.lower() == b"bearer":
            return self._too_often("token")
        # A right token is never held up by another's failures; guessing 256 bits needs no more
        # than this to be hopeless, but it should not fill the log or cost the daemon its time.
        client = scope["client"][0] if scope.get("client") else "?"
        if wait := self._failures.wait_s(client):
            return problems.problem(
                429,
                "too many requests without the right token",
                f"wait {math.ceil(wait)} s, then send the token of the data folder",
                retry_after_s=math.ceil(wait),
            )
        path = problems.shown_path(scope)
        log.warning("refused %s %s from %s: no or wrong token", scope["method"], path, client)
        if link:
            return problems.problem(
                401,
                "this link does not open anything, or not any more",
                "links to a clip live for five minutes: make a new one",
            )
        return problems.problem(
            401,
            "wrong token" if given else "this address needs a token",
            "send `Authorization: Bearer TOKEN`; the token is in the file `token` of the data "
            "folder, and the unix socket api.sock there needs none",
        )

    def _too_often(self, name: str) -> dict[str, Any] | None:
        wait = math.ceil(self._rate.wait_s(name))
        if not wait:
            return None
        return problems.problem(
            429,
            "more requests than one token may send in a minute",
            f"wait {wait} s, use the unix socket of the data folder, which has no limit, or raise "
            "the setting http.requests_a_minute",
            name="rate",
            title="Too many requests",
            retry_after_s=wait,
        )

    def _author(self, scope: Scope) -> str:
        given = _values(scope, b"x-author")
        name = unquote(given[0].decode("latin-1")) if given else ""
        kept = (c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c)[0] != "C")
        return "".join(kept).strip()[:64] or ("local" if self._trusted else "api")


def _values(scope: Scope, name: bytes) -> list[bytes]:
    return [value for key, value in scope["headers"] if key == name]
