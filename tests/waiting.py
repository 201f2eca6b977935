"""Waiting for what threads and other processes do: for a state, with a patience that no busy
machine exhausts."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 120.0
"""Only a hang reaches it."""


def until(question: Callable[[], T], what: str, patience: float = PATIENCE_S) -> T:
    """Ask until the answer is true; the answer. The last one is in the failure."""
    deadline = time.monotonic() + patience
    answer: Any = None
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer  # type: ignore[no-any-return]
        time.sleep(0.02)
    raise AssertionError(f"not within {patience:g} s: {what}; the last answer was {answer!r}")


def process_state(pid: int) -> str:
    """The letter of /proc/PID/stat; "" when there is no such process."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]
    except OSError:
        return ""
