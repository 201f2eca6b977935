"""Reading what a training says about itself: `progress.jsonl` and `plan.json`."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

LARGEST_READ = 1 << 20
MOST_POINTS = 500
FEWEST_STEPS = 20


def line_to_progress(line: dict[str, Any]) -> dict[str, Any]:
    """A line of the worker as `Job.progress` shows it."""
    return {
        "fraction": _number(line.get("progress")) or 0.0,
        "eta_s": _number(line.get("eta_s")) or 0.0,
        "phase": str(line.get("phase") or "")[:80],
        "step": line.get("step"),
        "steps": line.get("steps"),
        "loss": _number(line.get("loss")),
        "accuracy": _number(line.get("accuracy")),
        "accuracy_on": line.get("accuracy_on"),
        "learning_rate": _number(line.get("learning_rate")),
        "elapsed_s": _number(line.get("elapsed_s")) or 0.0,
    }


def _number(value: object) -> float | None:
    good = isinstance(value, (int, float)) and math.isfinite(value)
    return float(value) if good else None  # type: ignore[arg-type]


class ProgressTail:
    """Follows a file that another process appends to. Half-written lines wait for their end;
    lines that are no JSON objects are passed over."""

    def __init__(self, path: Path, *, from_end: bool) -> None:
        """`from_end`: leave out what earlier attempts wrote."""
        self._path = path
        self._offset = path.stat().st_size if from_end and path.exists() else 0
        self._rest = b""

    def new(self) -> list[dict[str, Any]]:
        """The lines that came since the last call."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._offset)
                block = file.read(LARGEST_READ)
        except FileNotFoundError:
            return []
        self._offset += len(block)
        *whole, self._rest = (self._rest + block).split(b"\n")
        return list(_objects(whole))


def read_curve(path: Path) -> list[dict[str, Any]]:
    """Every line of a job so far, thinned evenly to at most 500; the newest one stays."""
    try:
        lines = list(_objects(path.read_bytes().split(b"\n")))
    except FileNotFoundError:
        return []
    if len(lines) <= MOST_POINTS:
        return lines
    stride = (len(lines) - 1) / (MOST_POINTS - 1)
    return [lines[round(i * stride)] for i in range(MOST_POINTS)]


def reached_speed(curve: Sequence[Mapping[str, Any]]) -> float | None:
    """Steps a second over all phases of a training, what it did beside the steps included; None
    when it made too few to tell. `curve` as `read_curve` gives it."""
    steps = seconds = 0.0
    for earlier, later in itertools.pairwise(curve):
        made = [_number(line.get("step")) for line in (earlier, later)]
        at = [_number(line.get("elapsed_s")) for line in (earlier, later)]
        if earlier.get("phase") != later.get("phase") or None in (*made, *at):
            continue
        more, longer = made[1] - made[0], at[1] - at[0]  # type: ignore[operator]
        # An attempt that went on from its checkpoint made some steps again.
        if more > 0 and longer > 0:
            steps, seconds = steps + more, seconds + longer
    return steps / seconds if steps >= FEWEST_STEPS and seconds > 0 else None


def read_plan(path: Path) -> dict[str, Any] | None:
    """The plan that the worker decided on, or None while there is none."""
    try:
        plan = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        return None
    return plan if isinstance(plan, dict) else None


def _objects(lines: list[bytes]) -> Iterator[dict[str, Any]]:
    for line in lines:
        try:
            content = json.loads(line)
        except ValueError:
            continue
        if isinstance(content, dict):
            yield content
