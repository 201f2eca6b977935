"""Is the service that was started healthy? Asked as any client would ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import httpx

PATIENCE_S = 300.0
STEADY_S = 10.0
"""So long it must answer without a pause: a daemon that dies and is started again does not."""
_EVERY_S = 0.5


def wait_until_healthy(
    socket: Path,
    version: str,
    patience_s: float = PATIENCE_S,
    steady_s: float = STEADY_S,
    tell: Callable[[str], None] = lambda _: None,
) -> str:
    """Wait for the daemon behind `socket`; returns "" when it is healthy, else what is wrong."""
    deadline = time.monotonic() + patience_s
    since: float | None = None
    first: object = None
    wrong = "it never answered"
    told = time.monotonic()
    while True:
        now = time.monotonic()
        status = ask(socket)
        if status is None or status.get("version") != version:
            since = None
            if status is not None:
                wrong = f"version {status.get('version')} answers instead of {version}"
        elif since is None or status.get("pid") != first:
            since, first = now, status.get("pid")
            wrong = "it answered, but not steadily: it was started again and again"
        elif now - since >= steady_s:
            return ""
        if now >= deadline:
            return wrong
        if now - told >= 10:
            told = now
            tell(f"        waiting for it to answer, {deadline - now:.0f} s more at most")
        time.sleep(_EVERY_S)


def ask(socket: Path) -> dict[str, object] | None:
    """The daemon's status, None while it does not answer."""
    try:
        transport = httpx.HTTPTransport(uds=str(socket))
        with httpx.Client(transport=transport, base_url="http://localhost", timeout=5.0) as http:
            answer = http.get("/api/v1/status")
            return dict(answer.json()) if answer.is_success else None
    except (httpx.HTTPError, OSError, ValueError):
        return None
