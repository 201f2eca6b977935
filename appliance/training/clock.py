"""The budget of a training: from the start of the process, pauses excluded.

A pause is SIGSTOP: it works at any moment, and no handler can miss it. The kernel keeps counting
meanwhile, so the SIGCONT handler takes the time since the last sign of life off the clock. Signs
of life come with each step and each clip read.
"""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from types import FrameType

from appliance import clock

# Two signs of life are never further apart than this unless the process was stopped.
SHORTEST_PAUSE_S = 0.5
_START_FIELD = 19  # of /proc/self/stat after the command: start time in ticks since boot


def process_start_s() -> float:
    """When this process started, in seconds of CLOCK_BOOTTIME."""
    fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
    return int(fields[_START_FIELD]) / os.sysconf("SC_CLK_TCK")


class BudgetClock:
    """Active seconds of this job over all attempts, and whether it was asked to end.

    budget_s: the job's limit; used_s: active seconds of earlier attempts; started_s: when this
    attempt began (CLOCK_BOOTTIME seconds).
    """

    def __init__(
        self, budget_s: float, used_s: float = 0.0, started_s: float | None = None
    ) -> None:
        self.budget_s = budget_s
        self.used_s = used_s
        self._started_s = process_start_s() if started_s is None else started_s
        self._paused_s = 0.0
        self._alive_s = clock.seconds()
        self._cancelled = threading.Event()

    def install(self) -> None:
        """Listen to SIGTERM (end soon) and SIGCONT (a pause is over)."""
        signal.signal(signal.SIGTERM, self._on_terminate)
        signal.signal(signal.SIGCONT, self._on_continue)

    @property
    def elapsed_s(self) -> float:
        """Active seconds of the whole job so far."""
        return self.used_s + clock.seconds() - self._started_s - self._paused_s

    @property
    def remaining_s(self) -> float:
        return self.budget_s - self.elapsed_s

    @property
    def paused_s(self) -> float:
        return self._paused_s

    @property
    def cancelled(self) -> bool:
        """SIGTERM has come: finish with what there is."""
        return self._cancelled.is_set()

    def tick(self) -> None:
        """A sign of life."""
        self._alive_s = clock.seconds()

    def cancel(self) -> None:
        self._cancelled.set()

    def _on_terminate(self, _number: int, _frame: FrameType | None) -> None:
        self._cancelled.set()

    def _on_continue(self, _number: int, _frame: FrameType | None) -> None:
        now = clock.seconds()
        gap = now - self._alive_s
        if gap > SHORTEST_PAUSE_S:
            self._paused_s += gap
        self._alive_s = now
