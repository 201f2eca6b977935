"""The process side of a capture: starting the child, its lifeline, its last words."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections import deque
from collections.abc import Sequence

from appliance.audio.children import end_child

END_WITHIN_S = 1.0


class CaptureProcess:
    """A child whose standard input is its lifeline: closed, by `end` or by our death, it ends."""

    def __init__(self, command: Sequence[str]) -> None:
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # numpy's BLAS would otherwise start a thread for each core, for nothing.
            env={**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"},
        )
        # The types do not know that PIPE was asked for.
        pipes = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._pipes = [pipe for pipe in pipes if pipe is not None]
        _, self.blocks, self._errors = (pipe.fileno() for pipe in self._pipes)
        os.set_blocking(self.blocks, False)
        os.set_blocking(self._errors, False)
        self._lines: deque[str] = deque(maxlen=20)

    @property
    def pid(self) -> int:
        return self._process.pid

    def listen(self) -> None:
        """Take in what the child wrote to standard error, so that it never blocks on it."""
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._errors, 65536):
                self._lines.extend(data.decode(errors="replace").splitlines())

    def last_words(self) -> str:
        """Its last line on standard error; wait for its end first."""
        self.listen()
        return self._lines[-1].strip() if self._lines else ""

    def wait(self, timeout_s: float) -> int | None:
        """Its exit status, None when it still runs after `timeout_s`."""
        try:
            return self._process.wait(timeout=timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def end(self) -> None:
        """Cut the lifeline, kill what does not end by itself, close the pipes."""
        lifeline, *rest = self._pipes
        lifeline.close()
        end_child(self._process, END_WITHIN_S)
        for pipe in rest:
            pipe.close()
