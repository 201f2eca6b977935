"""The last lines of the daemon's log, for whoever cannot read the journal."""

from __future__ import annotations

import logging
import threading
from collections import deque

KEPT = 1000
_FORM = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")


class LogTail(logging.Handler):
    """Keeps the last lines in memory. Put it on the root logger."""

    def __init__(self, kept: int = KEPT) -> None:
        super().__init__()
        self.setFormatter(_FORM)
        self._lines: deque[str] = deque(maxlen=kept)
        self._reading = threading.Lock()

    def emit(self, record: logging.LogRecord) -> None:
        line = self.format(record)
        with self._reading:
            self._lines.append(line)

    def last(self, count: int) -> list[str]:
        """Up to `count` lines, the newest last."""
        with self._reading:
            return list(self._lines)[-count:]
