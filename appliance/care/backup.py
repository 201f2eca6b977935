"""A backup: a verified copy of the database, and every sound, version and setting of the box.

What lies where is in `backup_place`. The manifest comes last, so a backup without one was
interrupted and counts for nothing. Engines are left out, since they belong to a device; so are the
token and the history.
"""

from __future__ import annotations

import hashlib
import json
import logging
import platform
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.care.backup_place import (
    BOX,
    MANIFEST,
    backups,
    check_target,
    clip_place,
    clip_rows,
    file_place,
    make_box_id,
    next_number,
    prune,
    sweep,
)
from appliance.care.database_copy import copied
from appliance.errors import InvalidInput
from appliance.library.disk import disk_errors
from appliance.paths import DataFolder, file_hash, fsync_folder, write_durably

log = logging.getLogger(__name__)

Progress = Callable[[int, int], None]
"""(files copied or found, files in all)."""
FORMAT = 2


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `clips`, `bytes`: sounds that are there; `missing`: rows whose sound
    the box itself had lost; `files`: SHA-256 by path in the data folder. Of a copy of the database
    alone `clips` are those that it names."""

    format: int
    box: str
    host: str
    earmark: str
    made_at: float
    database_sha256: str
    clips: int
    bytes: int
    missing: int
    versions: list[str]
    files: dict[str, str]


def make_backup(folder: DataFolder, target: Path, keep: int, tell: Progress) -> Path:
    """Back up into `target`, keep the newest `keep` of this box; the folder of the new backup.

    Reads the database through a connection of its own that cannot write. Raises InvalidInput,
    LowSpace, StoreError when the copy is not whole; no earlier backup is changed then.
    """
    check_target(folder, target)
    if target != folder.backups and not target.parent.is_dir():
        # A disk that is not mounted, or a typo, would quietly fill the box's own disk.
        raise InvalidInput(
            f"there is no folder {target.parent}", "mount the disk, or make the folder first"
        )
    with disk_errors("the backup"):
        box = make_box_id(folder)
        place = target / f"earmark-{box}"
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        sweep(place)
        write_durably(place / BOX, json.dumps({"box": box, "host": platform.node()}).encode())
        made = _add(place, lambda partial: _fill(folder, box, place, partial, tell))
        verify(made)
        prune(place, keep)
    return made


def copy_database(folder: DataFolder, keep: int) -> Path:
    """A backup of the database alone, into `database-copies/` of the data folder, of which the
    newest `keep` stay. It is restored as any other is, with the sounds that the folder holds.

    Raises LowSpace, StoreError when the copy is not whole; no earlier one is changed then.
    """
    place = folder.copies
    with disk_errors("the copy of the database"):
        place.mkdir(exist_ok=True, mode=0o700)
        sweep(place)
        made = _add(place, lambda partial: _fill_database(folder, partial))
        verify_database(made)
        prune(place, keep)
    return made


def _add(place: Path, fill: Callable[[Path], Manifest]) -> Path:
    """The next backup at `place`: made under another name, whole when it gets its own."""
    stamp = f"{next_number(place):06}-{time.strftime('%Y%m%d-%H%M%S')}"
    partial, made = place / f".{stamp}", place / stamp
    partial.mkdir(mode=0o700)
    try:
        manifest = fill(partial)
        write_durably(partial / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
        partial.rename(made)
        fsync_folder(place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
    return made


def _fill(folder: DataFolder, box: str, place: Path, partial: Path, tell: Progress) -> Manifest:
    copy = partial / "earmark.db"
    with copied(folder.database, copy) as (source, database):
        versions, files = _files(folder, database)
        clips = database.execute("SELECT id, sha256, size FROM clips").fetchall()
        total, done, size = len(clips) + len(files), 0, 0
        gone: list[int] = []
        for identifier, sha256, length in clips:
            if _copy_clip(folder.clip(sha256), clip_place(place, sha256), sha256, length):
                size += length
            else:
                gone.append(identifier)
            done += 1
            tell(done, total)
        deleted = _forget_deleted(source, database, gone)
    hashes = {}
    for file in files:
        hashes[str(file.relative_to(folder.root))] = _copy_file(file, place)
        done += 1
        tell(done, total)
    return _manifest(box, copy, len(clips) - len(gone), size, len(gone) - deleted, versions, hashes)


def _fill_database(folder: DataFolder, partial: Path) -> Manifest:
    copy = partial / "earmark.db"
    with copied(folder.database, copy) as (_, database):
        clips = database.execute("SELECT count(*) FROM clips").fetchone()[0]
    # It holds no sound, so none is missing from it either.
    return _manifest(make_box_id(folder), copy, clips, 0, 0, [], {})


def _manifest(
    box: str,
    copy: Path,
    clips: int,
    size: int,
    missing: int,
    versions: list[str],
    files: dict[str, str],
) -> Manifest:
    return Manifest(
        FORMAT,
        box,
        platform.node(),
        __version__,
        time.time(),
        file_hash(copy),
        clips,
        size,
        missing,
        versions,
        files,
    )


def _files(folder: DataFolder, database: sqlite3.Connection) -> tuple[list[str], list[Path]]:
    """The versions whose folder is there, and every file but the sounds."""
    rows = database.execute("SELECT name FROM versions WHERE deleted_at IS NULL ORDER BY number")
    versions = [name for (name,) in rows.fetchall() if folder.version(name).is_dir()]
    files = [
        path
        for name in versions
        for path in sorted(folder.version(name).iterdir())
        if path.is_file()
    ]
    files += sorted(folder.datasets.glob("*.json"))
    return versions, files + [folder.settings] * folder.settings.exists()


def _forget_deleted(
    source: sqlite3.Connection, database: sqlite3.Connection, gone: list[int]
) -> int:
    """Rows that people deleted while the backup was made leave the copy, too; how many. The others
    have lost their sound: their rows stay, since labels and dataset versions rest on them."""
    there = "SELECT 1 FROM clips WHERE id = ?"
    deleted = [(clip,) for clip in gone if source.execute(there, (clip,)).fetchone() is None]
    database.execute("PRAGMA foreign_keys=ON")
    database.executemany("DELETE FROM clips WHERE id = ?", deleted)
    database.commit()
    return len(deleted)


def read_manifest(backup: Path) -> Manifest:
    """Raises InvalidInput when it is none of ours."""
    try:
        return Manifest(**json.loads((backup / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(f"{backup} is no whole backup: {error}", "choose another one") from None


def readable(place: Path | None) -> Iterator[tuple[Path, Manifest]]:
    """Those backups whose manifest can be read, the newest first; none of a disk that does not
    answer."""
    try:
        for path in backups(place):
            try:
                yield path, read_manifest(path)
            except InvalidInput as error:
                log.warning("%s", error)
    except OSError as error:
        log.warning("%s cannot be read: %s", place, error)


def verify_database(backup: Path) -> Manifest:
    """The manifest of a backup whose database is as it was when it was checked."""
    manifest = read_manifest(backup)
    database = backup / "earmark.db"
    if not database.is_file() or file_hash(database) != manifest.database_sha256:
        raise InvalidInput(f"the database in {backup} was altered", "choose another backup")
    return manifest


def verify(backup: Path) -> Manifest:
    """The manifest of a backup that is whole: every sound is there, the rest is as it was.

    Raises InvalidInput that says what is wrong. Sounds are compared by size here: each was compared
    by its hash when it was copied, and is again when it is restored.
    """
    manifest = verify_database(backup)
    place = backup.parent
    rows = clip_rows(backup / "earmark.db")
    missing = sum(_size(clip_place(place, sha256)) != size for sha256, size in rows)
    if missing > manifest.missing:
        raise InvalidInput(
            f"{missing - manifest.missing} of {manifest.clips} sounds are missing beside {backup}",
            "choose another backup",
        )
    for name, sha256 in manifest.files.items():
        file = file_place(place, sha256)
        if not file.is_file() or file_hash(file) != sha256:
            raise InvalidInput(f"{name} is missing from {backup}", "choose another backup")
    return manifest


def _copy_clip(source: Path, place: Path, sha256: str, size: int) -> bool:
    """Copy a sound, unless it is there; False when it was deleted or damaged meanwhile."""
    if _size(place) == size:
        return True
    try:
        content = source.read_bytes()
    except FileNotFoundError:
        return False
    if hashlib.sha256(content).hexdigest() != sha256:
        log.error("the sound %s is damaged: it is left out of the backup", source.name)
        return False
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_durably(place, content)
    return True


def _copy_file(source: Path, place: Path) -> str:
    content = source.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    kept = file_place(place, sha256)
    if _size(kept) != len(content):
        kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_durably(kept, content)
    return sha256


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None


def as_rows(every: Iterator[Path]) -> list[dict[str, Any]]:
    """Backups as people see them; of one whose manifest cannot be read, only where it is."""
    rows = []
    for backup in every:
        try:
            manifest, problem = read_manifest(backup), {}
        except InvalidInput as error:
            manifest = Manifest(0, "", "", "", 0.0, "", 0, 0, 0, [], {})
            problem = {"problem": f"damaged: {error}"}
        row = asdict(manifest)
        del row["files"]
        rows.append({"path": str(backup), **row, **problem})
    return rows
