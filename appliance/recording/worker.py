"""A thread that does the slow part of recording: encoding and fsync never block a capture."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable

log = logging.getLogger(__name__)

TICK_S = 0.5


class Worker:
    """Runs what is submitted, in order, on one thread.

    `tick` is called every half second as long as it returns True, and again after each piece of
    work: for what must be watched while something is going on. An idle worker sleeps.
    """

    def __init__(self, name: str, tick: Callable[[], bool] | None = None) -> None:
        self.name = name
        self._tick = tick
        self._work: queue.SimpleQueue[Callable[[], object] | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name=self.name, daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Do what was submitted before this call, then end. Returns when that is done."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._work.put(None)
            thread.join()

    def submit(self, work: Callable[[], object]) -> None:
        """Do `work` after everything that was submitted before it. Never blocks; whoever submits
        without end must bound it, as `Recorder` does."""
        self._work.put(work)

    def _run(self) -> None:
        watching = False
        while True:
            try:
                work = self._work.get(timeout=TICK_S if watching else None)
            except queue.Empty:
                work = _nothing
            if work is None:
                return
            try:
                work()
            except Exception:
                log.exception("%s: a piece of work failed", self.name)
            watching = self._tick() if self._tick else False


def _nothing() -> None:
    pass
