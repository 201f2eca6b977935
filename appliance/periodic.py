"""A piece of work that comes again and again, on a thread of its own, until it is stopped."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)


Wait = float | Callable[[], float | None] | None


class Periodic:
    """`turn` is called, then there is a wait, then it is called again. Thread-safe.

    A turn that raises is said in the log, and costs that turn alone. `name` is the thread's.
    """

    def __init__(
        self,
        name: str,
        turn: Callable[[], object],
        every_s: Wait,
        *,
        first_s: Wait = 0.0,
        nice: int = 0,
    ) -> None:
        """every_s: seconds from a turn's end to the next, or what gives them, asked after each
        turn; None: until `wake`. first_s: the same before the first turn. nice: of the thread."""
        self.name = name
        self._turn = turn
        self._every_s = every_s
        self._first_s = first_s
        self._nice = nice
        self._wake = threading.Event()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def stopping(self) -> bool:
        """Whether `stop` was called: a long turn asks, and ends early."""
        return self._stopping.is_set()

    def start(self) -> None:
        """It may have been stopped before: the first wait comes again."""
        self._wake.clear()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Returns when the turn at work has ended; before `start` it does nothing."""
        self._stopping.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def wake(self) -> None:
        """The next turn comes now; one that is at work is followed by another."""
        self._wake.set()

    def rest(self, seconds: float) -> bool:
        """For a turn: wait; True when it shall end, since `stop` was called."""
        return self._stopping.wait(seconds)

    def doze(self, seconds: float) -> bool:
        """The same, and `wake` ends the wait, too; it is used up by that."""
        self._wake.wait(seconds)
        self._wake.clear()
        return self.stopping()

    def _run(self) -> None:
        if self._nice:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
        wait = self._first_s
        # `doze` may have used up the wake-up of `stop`: so it is asked before each wait, too.
        while not self.stopping():
            self._wake.wait(wait() if callable(wait) else wait)
            self._wake.clear()
            if self.stopping():
                return
            try:
                self._turn()
            except Exception:
                log.exception("%s: a turn failed, the next one comes", self.name)
            wait = self._every_s
