"""Check: how old is the newest backup?"""

from __future__ import annotations

import time
from pathlib import Path

from appliance.care.backup import MANIFEST, backups
from appliance.care.check import Check
from appliance.paths import DataFolder
from appliance.settings import Settings
from appliance.units import human_duration

NAME = "backup age"
OLD_S = 7 * 86_400.0
ADVICE = "`earmark backup` makes one; on another disk it outlives this one"


def check(folder: Path, now: float | None = None) -> Check:
    """folder: of the backups; one that was interrupted counts for nothing."""
    try:
        newest = next(backups(folder), None)
        made = None if newest is None else (newest / MANIFEST).stat().st_mtime
    except OSError as error:
        return Check(NAME, "warning", f"{folder} cannot be read: {error.strerror}.", ADVICE)
    if made is None:
        return Check(NAME, "warning", f"There is no backup in {folder}.", ADVICE)
    age = max(0.0, (time.time() if now is None else now) - made)
    state = f"The newest backup is {human_duration(age)} old."
    return Check(NAME, "warning", state, ADVICE) if age > OLD_S else Check(NAME, "ok", state)


def place(settings: Settings, folder: DataFolder) -> Path:
    """Where backups go when nobody says otherwise."""
    return Path(settings.backup.target) if settings.backup.target else folder.backups
