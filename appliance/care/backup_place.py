"""A place for backups: what lies where in it, what belongs to which box, what may go.

TARGET/earmark-3f9a12bc34de/      of one box: two that share a disk never touch each other's
  box.json                        its name, for people
  clips/ab/<sha256>.flac          shared by all its backups: a sound is copied once
  files/ab/<sha256>               the same for versions, dataset versions and settings
  000001-20261124-031700/         one backup: earmark.db, manifest.json
"""

from __future__ import annotations

import json
import logging
import re
import secrets
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

from appliance.errors import InvalidInput
from appliance.paths import DataFolder, write_durably

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
BOX = "box.json"
_ID = re.compile(r"[0-9a-f]{12}")
_NUMBERED = f"{6 * '[0-9]'}-*"


def box_id(folder: DataFolder) -> str | None:
    """What tells this box from others at a shared place; None before its first backup."""
    try:
        found = folder.box.read_text().strip()
    except FileNotFoundError:
        return None
    return found if _ID.fullmatch(found) else None


def make_box_id(folder: DataFolder) -> str:
    """The same, chosen now if it is new."""
    if (known := box_id(folder)) is None:
        known = secrets.token_hex(6)
        write_durably(folder.box, known.encode())
    return known


def place_of(folder: DataFolder, target: Path) -> Path | None:
    """Where this box's backups lie in `target`; None before its first one."""
    known = box_id(folder)
    return None if known is None else target / f"earmark-{known}"


def places(target: Path) -> list[Path]:
    """Of every box that backs up to `target`."""
    return sorted(file.parent for file in target.glob(f"earmark-*/{BOX}"))


def host_of(place: Path) -> str:
    """What the box of `place` is called."""
    try:
        return str(json.loads((place / BOX).read_text())["host"])
    except (OSError, ValueError, KeyError, TypeError):
        return "unknown"


def backups(place: Path | None) -> Iterator[Path]:
    """Those that were completed, the newest first."""
    if place is None:
        return
    found = [path.parent for path in place.glob(f"{_NUMBERED}/{MANIFEST}")]
    yield from sorted(found, key=lambda path: path.name, reverse=True)


def backups_in(source: Path) -> list[Path]:
    """Whatever lies there, box by box, of each the newest first: `source` may be the place that
    several back up to, that of one, or one backup."""
    if (source / MANIFEST).is_file():
        return [source]
    return [backup for place in places(source) or [source] for backup in backups(place)]


def next_number(place: Path) -> int:
    """Backups are numbered, since a box without a clock battery may be in 1970 now."""
    return 1 + max((int(old.name[:6]) for old in backups(place)), default=0)


def clip_place(place: Path, sha256: str) -> Path:
    return place / "clips" / sha256[:2] / f"{sha256}.flac"


def file_place(place: Path, sha256: str) -> Path:
    return place / "files" / sha256[:2] / sha256


def on_the_same_disk(folder: DataFolder, target: Path) -> bool:
    """Whether `target` would die with the box's own disk: the same file system holds both."""
    try:
        there = target
        while not there.exists() and there != there.parent:
            there = there.parent
        return there.stat().st_dev == folder.root.stat().st_dev
    except OSError:
        return False


def check_target(folder: DataFolder, target: Path) -> None:
    """Raises InvalidInput for a place where a backup would harm or be harmed."""
    try:
        inside = target.resolve()
    except (OSError, ValueError) as error:
        raise InvalidInput(f"this is no path: {error}", "name a folder") from None
    if inside == folder.root.resolve():
        raise InvalidInput(
            f"{target} is what is to be backed up", "name another folder, best on another disk"
        )
    for part in (folder.clips, folder.versions, folder.jobs, folder.engines, folder.datasets):
        if inside.is_relative_to(part.resolve()):
            raise InvalidInput(
                f"{target} lies among the sounds that are to be backed up",
                "name another folder, best on another disk",
            )
    if not target.is_absolute():
        raise InvalidInput(f"{target} is no whole path", "begin it with /")


def sweep(place: Path) -> int:
    """Remove what a power cut left half-done; how many files and folders that were."""
    left = [*place.glob(f".{_NUMBERED}"), *place.glob("clips/??/.*.part")]
    left += place.glob("files/??/.*.part")
    for path in left:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
    if left:
        log.info("removed %d unfinished files and folders from %s", len(left), place)
    return len(left)


def prune(place: Path, keep: int) -> None:
    """Remove all but the newest `keep`, and the sounds and files that none of those names. When
    one of those cannot be read, nobody knows what it names: then every sound stays."""
    every = list(backups(place))
    if len(every) <= keep:
        return
    for old in every[keep:]:
        aside = old.with_name(f".{old.name}")  # a cut in the middle leaves no half backup
        old.rename(aside)
        shutil.rmtree(aside)
    try:
        needed = set[str]().union(*(_named(kept) for kept in every[:keep]))
    except (OSError, ValueError, KeyError, sqlite3.Error) as error:
        log.warning("no sounds are removed from %s: a backup cannot be read: %s", place, error)
        return
    for file in (*place.glob("clips/??/*.flac"), *place.glob("files/??/*")):
        if file.stem not in needed:
            file.unlink()


def clip_rows(database: Path) -> list[tuple[str, int]]:
    """Hash and size of every sound that a backup's database names. Raises sqlite3.Error."""
    # immutable: it may lie on a disk that is mounted read-only.
    with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)) as opened:
        return opened.execute("SELECT sha256, size FROM clips ORDER BY id").fetchall()


def _named(backup: Path) -> set[str]:
    manifest: dict[str, Any] = json.loads((backup / MANIFEST).read_text())
    sounds = {sha256 for sha256, _ in clip_rows(backup / "earmark.db")}
    return sounds | set(manifest["files"].values())
