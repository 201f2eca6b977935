"""Before the daemon opens its database: is it whole, and if not, what comes in its place?

A damaged one is set aside with its log, never repaired in place. Then comes the newest backup, or
nightly copy, whose database is as it was when it was checked; without one an empty database, which
the files fill again as far as they can (`rebuild`). Either way the box goes on recording, and says
what happened until somebody has read it. Why not rather refuse to start: docs/operations.md.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from pathlib import Path

from appliance.care.backup import read_manifest
from appliance.care.backup_place import backups, place_of
from appliance.care.notices import Notice, Notices
from appliance.care.quarantine import DATABASE, Quarantine
from appliance.care.rebuild import has_sounds, wanted
from appliance.care.restore import SIDE_FILES, Restored, restore, restored_from, unfinished
from appliance.errors import EarmarkError, InvalidInput, StoreError
from appliance.paths import DataFolder
from appliance.settings import Settings
from appliance.store.examine import examine, left_open

log = logging.getLogger(__name__)

TOPIC = "database"


def make_whole(folder: DataFolder, settings: Settings, notices: Notices) -> Notice | None:
    """See to it that the database can be opened; the notice of what came in its place, if anything
    did. Raises StoreError when the disk is at fault."""
    if unfinished(folder) is not None and folder.database.exists():
        log.warning("a restore was cut short: the library is the one from before it")
        folder.restoring.unlink()
    damage = _damage(folder)
    if not damage:
        return None
    log.error("the database cannot be used: %s", damage)
    files = [folder.root / name for name in (folder.database.name, *SIDE_FILES)]
    there = [file for file in files if file.exists()]
    aside, damaged = "", None
    if there:
        quarantine = Quarantine(folder)
        item = quarantine.put(DATABASE, damage, there)
        damaged = quarantine.path(item, folder.database.name)
        aside = f" It was set aside in quarantine/{item.id}."
    if has_sounds(folder):
        wanted(folder, damage, damaged)
    says = f"The database was lost: {damage}.{aside}"
    restored = _from_backup(folder, settings)
    if restored is not None:
        made = _when(restored.manifest.made_at)
        lost = f" {restored.missing} sounds are whole nowhere." if restored.missing else ""
        return notices.give(
            TOPIC,
            "failing",
            f"{says} The backup of {made} was restored, with {restored.clips} clips.{lost}",
            "look at labels and settings that were changed since then; sounds recorded since come"
            " back as clips by themselves; see `dmesg` for errors of the disk",
        )
    return notices.give(
        TOPIC,
        "failing",
        f"{says} There is no backup of this box, so an empty one was begun.",
        "clips and versions come back from their files, labels and microphones as far as the"
        " lost database can still be read: look at `earmark devices` and `earmark status`; set"
        " backup.target; if a backup lies elsewhere, stop the daemon and `earmark restore FOLDER"
        " --force`",
    )


def say_what_listens(
    notices: Notices, lost: Notice, listening: str | None, newest: str | None
) -> None:
    """Add to the notice `lost` which version listens with what came in the database's place, when
    that is not the newest that there is."""
    if newest is None or listening == newest:
        return
    if listening is None:
        more = f"no version listens now: `earmark deploy {newest}`"
    else:
        more = f"{listening} listens now; if it was {newest}: `earmark deploy {newest}`"
    notices.give(lost.topic, lost.state, lost.says, f"{more}; {lost.advice}")


def _damage(folder: DataFolder) -> str:
    """What is wrong with the database, "" when nothing is or there has never been one."""
    if unfinished(folder) is not None:
        return "a restore was cut short"
    if not folder.database.exists():
        return "its file is gone" if has_sounds(folder) else ""
    unclean = left_open(folder.database)
    began = time.monotonic()
    verdict = examine(folder.database, thorough=unclean)
    seconds = time.monotonic() - began
    if not verdict.complete:
        log.warning(
            "the database was looked at for %.0f s without an end: the checks of health go on",
            seconds,
        )
    elif unclean:
        log.info("the daemon had not been stopped: the database was checked, %.1f s", seconds)
    # Empty because a first start was cut short is no damage.
    empty = verdict.damage.startswith("the file") and not has_sounds(folder)
    return "" if empty else verdict.damage


def _from_backup(folder: DataFolder, settings: Settings) -> Restored | None:
    for backup in _candidates(folder, settings):
        try:
            log.warning("restoring %s", backup)
            return restore(backup, folder, force=True, tell=lambda *_: None, trust_present=True)
        except InvalidInput as error:
            log.error("this backup is not whole: %s", error)
    if (begun := unfinished(folder)) is not None:
        raise StoreError(
            f"a restore from {begun} was cut short, and that backup is not there",
            f"mount its disk, or restore another one; or delete {folder.restoring}: then an empty"
            " library is begun, and filled from the files on disk",
        )
    return None


def _candidates(folder: DataFolder, settings: Settings) -> Iterator[Path]:
    """Backups of this box and copies of its database, the newest first; before them the one whose
    restore was cut short, and after them the one that the library was made of, as on a new box
    before its first own."""
    begun = unfinished(folder)
    if begun is not None and begun.is_dir():
        yield begun
    targets = [Path(settings.backup.target)] if settings.backup.target else []
    places = [place_of(folder, target) for target in (*targets, folder.backups)]
    found = [list(backups(place)) for place in (*places, folder.copies)]
    # Each list is in order; of the two heads the one that was made later comes first.
    while any(found):
        heads = [one for one in found if one]
        newest = max(heads, key=lambda one: _made_at(one[0]))
        yield newest.pop(0)
    origin = restored_from(folder)
    if origin is not None and origin.is_dir():
        yield origin


def _made_at(backup: Path) -> float:
    try:
        return read_manifest(backup).made_at
    except EarmarkError:
        return 0.0


def _when(at: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(at))
