"""A client that asks faster than the daemon allows waits as long as it is told, and asks again."""

from __future__ import annotations

import time
from collections.abc import Callable

import httpx

LONGEST_WAIT_S = 60.0
RATE = "urn:earmark:problem:rate"


class PatientTransport(httpx.BaseTransport):
    """Around another transport. A request that the daemon refused for its rate changed nothing,
    so it is sent again; any other answer is the caller's."""

    def __init__(
        self, inner: httpx.BaseTransport, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._inner = inner
        self._sleep = sleep

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        waited = 0.0
        while True:
            response = self._inner.handle_request(request)
            if response.status_code != 429:
                return response
            response.read()
            wait = _told(response)
            if wait is None or waited + wait > LONGEST_WAIT_S:
                return response
            response.close()
            self._sleep(wait)
            waited += wait

    def close(self) -> None:
        self._inner.close()


def _told(response: httpx.Response) -> float | None:
    """Seconds to wait, when it was for the rate."""
    try:
        body = response.json()
    except ValueError:
        return None
    after = response.headers.get("Retry-After", "")
    known = isinstance(body, dict) and body.get("type") == RATE and after.isdecimal()
    return float(after) if known else None
