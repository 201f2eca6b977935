"""What a check of the box's health answers, and how several make one state."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warning", "failing", "not applicable"]


@dataclass(frozen=True)
class Check:
    """`says`: how it stands, a sentence. `advice`: what to do, empty where nothing is."""

    name: str
    state: State
    says: str
    advice: str = ""


@dataclass(frozen=True)
class Report:
    """`state` is the worst of its checks'; what does not apply is no worse than ok."""

    state: State
    checks: list[Check]


def report(checks: Iterable[Check]) -> Report:
    kept = list(checks)
    states = {check.state for check in kept}
    worst: State = "failing" if "failing" in states else "warning" if "warning" in states else "ok"
    return Report(worst, kept)
