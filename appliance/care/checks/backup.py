"""Check: how old is the newest backup, and what is there besides?"""

from __future__ import annotations

import time
from pathlib import Path

from appliance.care.backup import read_manifest
from appliance.care.backup_place import backups, on_the_same_disk, place_of
from appliance.care.check import Check
from appliance.care.copies import newest_copy
from appliance.errors import InvalidInput
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
        made = None if newest is None else read_manifest(newest).made_at
    except OSError as error:
        return Check(NAME, "warning", f"{target} cannot be read: {error.strerror}.", ADVICE)
    except InvalidInput as error:
        return Check(NAME, "warning", f"The newest backup is damaged: {error}.", ADVICE)
    now = time.time() if now is None else now
    if made is None:
        state = f"There is no backup of this box in {target}.{_copy(folder, now)}"
        return Check(NAME, "warning", state, ADVICE)
    age = max(0.0, now - made)
    state = f"The newest backup is {human_duration(age)} old."
    if age > OLD_S:
        return Check(NAME, "warning", f"{state}{_copy(folder, now)}", ADVICE)
    if on_the_same_disk(folder, target):
        return Check(NAME, "warning", f"{state[:-1]}, and lies on the box's own disk.", SAME_DISK)
    return Check(NAME, "ok", state)


def _copy(folder: DataFolder, now: float) -> str:
    """What the box itself has made for want of a backup."""
    newest = newest_copy(folder)
    if newest is None:
        return ""
    age = human_duration(max(0.0, now - newest.made_at))
    return f" A copy of the database alone, without the sounds, is {age} old (on the same disk)."


def place(settings: Settings, folder: DataFolder) -> Path:
    """Where backups go when nobody says otherwise."""
    return Path(settings.backup.target) if settings.backup.target else folder.backups
