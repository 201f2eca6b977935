"""What the runner and the person waiting are told: one line of JSON at a time."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from appliance.errors import LowSpace
from appliance.library.disk import disk_errors
from appliance.training.clock import BudgetClock

SECONDS_BETWEEN_LINES = 0.5
# The share done is worth little until the plan is made, and may never go back: while the clips are
# read it moves within this, however long that takes.
BEFORE_THE_PLAN = 0.05
# An estimate that was too short may not say that all is done; only the result does.
BEFORE_THE_RESULT = 0.99


class ProgressWriter:
    """Appends to progress.jsonl. The share done only grows, and is 1 when the result is there."""

    def __init__(self, folder: Path, budget: BudgetClock) -> None:
        self._file = folder / "progress.jsonl"
        self._budget = budget
        self._fraction = 0.0
        self._next_s = 0.0
        self._torn = False

    def due(self) -> bool:
        """Whether enough time has passed since the last line."""
        return self._budget.elapsed_s >= self._next_s

    def write(
        self,
        phase: str,
        eta_s: float,
        *,
        step: int = 0,
        steps: int = 0,
        loss: float | None = None,
        accuracy: float | None = None,
        accuracy_on: str | None = None,
        learning_rate: float | None = None,
        planned: bool = True,
        done: bool = False,
    ) -> None:
        """eta_s: seconds until the result is there, as far as is known now. `planned` is False
        while the eta is a guess: the share done then follows `step` of `steps`, a little way.
        `done`: the result is there."""
        elapsed = self._budget.elapsed_s
        eta = max(0.0, min(eta_s, max(self._budget.remaining_s, 0.0)))
        if planned:
            share = elapsed / max(elapsed + eta, 1e-6)
        else:
            share = BEFORE_THE_PLAN * step / max(steps, 1)
        self._fraction = 1.0 if done else max(self._fraction, min(share, BEFORE_THE_RESULT))
        line: dict[str, Any] = {
            "t": time.time(),
            "elapsed_s": round(elapsed, 3),
            "progress": round(self._fraction, 4),
            "eta_s": round(eta, 1),
            "phase": phase,
            "step": step,
            "steps": steps,
            "loss": None if loss is None else round(loss, 5),
            "accuracy": None if accuracy is None else round(accuracy, 4),
            "accuracy_on": accuracy_on,
            "learning_rate": learning_rate,
        }
        self._next_s = elapsed + SECONDS_BETWEEN_LINES
        try:
            with disk_errors("a line of progress"), self._file.open("a", encoding="utf-8") as lines:
                # Where a full disk cut the last line short, this one must not grow onto it.
                lines.write(("\n" if self._torn else "") + json.dumps(line) + "\n")
        except LowSpace:
            self._torn = True  # nobody is told how far it is, and that is all
        else:
            self._torn = False
