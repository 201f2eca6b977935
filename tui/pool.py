"""A few threads that do what blocks, so that the screen never waits."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, TypeVar

T = TypeVar("T")


class Pool:
    """Daemon threads: one that waits on a silent line must not keep the process alive, as those
    of `ThreadPoolExecutor` would."""

    def __init__(self, threads: int = 3) -> None:
        self._tasks: SimpleQueue[tuple[Future[Any], Callable[[], Any]]] = SimpleQueue()
        for number in range(threads):
            threading.Thread(target=self._work, name=f"request {number}", daemon=True).start()

    async def run(self, function: Callable[[], T]) -> T:
        """What `function` gives, or raises, on one of the threads."""
        future: Future[T] = Future()
        self._tasks.put((future, function))
        return await asyncio.wrap_future(future)

    def _work(self) -> None:
        while True:
            future, function = self._tasks.get()
            if not future.set_running_or_notify_cancel():
                continue
            # The loop that waits may be gone at the end of the program.
            with contextlib.suppress(RuntimeError):
                try:
                    result = function()
                except BaseException as error:
                    future.set_exception(error)
                else:
                    future.set_result(result)
