"""Check: how old is the newest backup?"""

from __future__ import annotations

import time
from pathlib import Path

from appliance.care.backup_place import MANIFEST, backups, on_the_same_disk, place_of
from appliance.care.check import Check
from appliance.paths import DataFolder
from appliance.settings import Settings
from appliance.units import human_duration

NAME = "backup age"
OLD_S = 7 * 86_400.0
ADVICE = "`earmark backup` makes one; on another disk it outlives this one"

SAME_DISK = "set backup.target to a folder on another disk: this one would be lost with the sounds"


def check(folder: DataFolder, target: Path, now: float | None = None) -> Check:
    """target: where backups go; one that was interrupted counts for nothing."""
    try:
        newest = next(backups(place_of(folder, target)), None)
        made = None if newest is None else (newest / MANIFEST).stat().st_mtime
    except OSError as error:
        return Check(NAME, "warning", f"{target} cannot be read: {error.strerror}.", ADVICE)
    if made is None:
        return Check(NAME, "warning", f"There is no backup of this box in {target}.", ADVICE)
    age = max(0.0, (time.time() if now is None else now) - made)
    state = f"The newest backup is {human_duration(age)} old."
    if age > OLD_S:
        return Check(NAME, "warning", state, ADVICE)
    if on_the_same_disk(folder, target):
        return Check(NAME, "warning", f"{state[:-1]}, and lies on the box's own disk.", SAME_DISK)
    return Check(NAME, "ok", state)


def place(settings: Settings, folder: DataFolder) -> Path:
    """Where backups go when nobody says otherwise."""
    return Path(settings.backup.target) if settings.backup.target else folder.backups
