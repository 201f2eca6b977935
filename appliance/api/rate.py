"""How often one may ask: a share of requests a minute for each token, and of failures without one.

A bucket of tokens (Turner, "New Directions in Communications", 1986) holds a minute's share, so
that a burst such as an import or a screen that opens is never held up, and fills again steadily.
"""

from __future__ import annotations

import time
from collections import deque


class Rate:
    """Requests under each name, such as a token's. Used from one thread."""

    def __init__(self, a_minute: int, names: int = 1000) -> None:
        """a_minute: 0 lets everything through; names: so many are remembered."""
        self._limit = float(a_minute)
        self._names = names
        self._left: dict[str, tuple[float, float]] = {}

    def wait_s(self, name: str) -> float:
        """Count one request of `name`: 0 when it may go on, else in how many seconds it may; a
        request that is refused is not counted."""
        if not self._limit:
            return 0.0
        now = time.monotonic()
        left, at = self._left.pop(name, (self._limit, now))
        left = min(self._limit, left + (now - at) * self._limit / 60.0)
        if left >= 1.0:
            left -= 1.0
            wait = 0.0
        else:
            wait = (1.0 - left) * 60.0 / self._limit
        self._left[name] = (left, now)
        if len(self._left) > self._names:
            del self._left[next(iter(self._left))]
        return wait


class Failures:
    """Failed attempts of each client in the last minute."""

    def __init__(self, a_minute: int, clients: int = 1000) -> None:
        self._limit = a_minute
        self._clients = clients
        self._times: dict[str, deque[float]] = {}

    def wait_s(self, client: str) -> float:
        """Count one more failure of `client`: 0, or in how many seconds it may fail again when it
        has had its share."""
        present = time.monotonic()
        times = self._times.pop(client, deque(maxlen=self._limit))
        wait = 0.0
        if len(times) == self._limit and present - times[0] < 60.0:
            wait = 60.0 - (present - times[0])
        else:
            times.append(present)
        self._times[client] = times
        if len(self._times) > self._clients:
            del self._times[next(iter(self._times))]
        return wait
