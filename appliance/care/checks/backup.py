"""Check: how old is the newest backup?"""

from __future__ import annotations

import time
from pathlib import Path

from appliance.care.check import Check
from appliance.units import human_duration

NAME = "backup age"
OLD_S = 7 * 86_400.0
ADVICE = "`earmark backup` makes one; on another disk it outlives this one"


def check(folder: Path, now: float | None = None) -> Check:
    """folder: of the backups; its newest entry counts."""
    try:
        made = [
            entry.stat().st_mtime for entry in folder.iterdir() if not entry.name.startswith(".")
        ]
    except FileNotFoundError:
        made = []
    except OSError as error:
        return Check(NAME, "warning", f"{folder} cannot be read: {error.strerror}.", ADVICE)
    if not made:
        return Check(NAME, "warning", "There is no backup.", ADVICE)
    age = max(0.0, (time.time() if now is None else now) - max(made))
    state = f"The newest backup is {human_duration(age)} old."
    return Check(NAME, "warning", state, ADVICE) if age > OLD_S else Check(NAME, "ok", state)
