"""A data folder made of a backup, on this box or a new one. No daemon may run on it.

The order: sounds and versions first, each compared with its hash, then the database by a rename, so
that a cut leaves either the old library or the new one. A mark, `restore-unfinished`, says which
backup a cut one was of.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from appliance.care.backup import Manifest, verify_database
from appliance.care.backup_place import (
    MANIFEST,
    backups,
    clip_place,
    clip_rows,
    file_place,
    host_of,
    places,
)
from appliance.care.quarantine import DATABASE, VERSION, Quarantine
from appliance.care.rebuild import wanted
from appliance.errors import Conflict, InvalidInput
from appliance.library.disk import disk_errors
from appliance.paths import DataFolder, file_hash, fsync_folder, write_durably

SIDE_FILES = ("earmark.db-wal", "earmark.db-shm")
AT_ONCE = 8
BATCH = 500
Tell = Callable[[int, int], None]


@dataclass(frozen=True)
class Restored:
    """`clips`: sounds that are whole now; `missing`: those that the database names and that were
    whole neither in the backup nor in the folder; their rows stay, marked."""

    manifest: Manifest
    clips: int
    missing: int


def find(source: Path) -> Path:
    """The backup that `source` is, or the newest of those in it. InvalidInput when there is none,
    or when several boxes back up there."""
    if (source / MANIFEST).is_file():
        return source
    here = places(source)
    if len(here) > 1:
        named = "; ".join(f"{host_of(place)}: {place}" for place in here)
        raise InvalidInput(f"several boxes back up to {source}", f"name one: {named}")
    for backup in backups(here[0] if here else source):
        return backup
    raise InvalidInput(f"there is no backup in {source}", "name the folder that was backed up to")


def sounds_missing(source: Path, folder: DataFolder) -> int:
    """How many sounds the backup names when none of them lies in it or in the folder, as with a
    copy of a database alone; 0 when any does. Raises InvalidInput."""
    backup = find(source).resolve()
    verify_database(backup)
    rows = clip_rows(backup / "earmark.db")
    there = any(
        place.is_file()
        for sha256, _ in rows
        for place in (clip_place(backup.parent, sha256), folder.clip(sha256))
    )
    return 0 if there else len(rows)


def restore(
    source: Path, folder: DataFolder, *, force: bool, tell: Tell, trust_present: bool = False
) -> Restored:
    """Fill the data folder from the backup `source`, whose database is verified first.

    A folder that holds a database already is refused; with `force` its database is set aside in
    quarantine, and its sounds stay: those that the backup does not know become clips again.
    `trust_present`: sounds that are in the folder already are compared by size alone. Versions are
    compiled anew at the daemon's next start. Raises InvalidInput, Conflict, LowSpace, StoreError.
    """
    backup = find(source).resolve()
    manifest = verify_database(backup)
    if folder.database.exists() and not force:
        raise Conflict(
            f"{folder.root} holds a library already",
            "restore into another folder with --data, or set it aside with --force",
        )
    rows = clip_rows(backup / "earmark.db")
    wanting = _wanting(backup.parent, folder, manifest)
    with disk_errors("the restored library"):
        folder.create()
        write_durably(folder.restoring, str(backup).encode())
        if any(folder.clips.glob("??/*.flac")):
            wanted(folder, f"the backup {backup.name} was restored")
        missing = _sounds(backup.parent, folder, rows, trust_present, tell)
        _files(backup.parent, folder, manifest, wanting)
        _database(backup, folder, manifest, missing)
        _give_to_owner(folder.root)
        # Until the box has a backup of its own, this is the one that it could come back from.
        folder.restoring.replace(folder.restored)
        fsync_folder(folder.root)
    return Restored(manifest, len(rows) - len(missing), len(missing))


def _sounds(
    place: Path, folder: DataFolder, rows: list[tuple[str, int]], trust: bool, tell: Tell
) -> list[str]:
    """Copy what is not there; the hashes of those that are whole nowhere."""
    for part in {sha256[:2] for sha256, _ in rows}:
        (folder.clips / part).mkdir(exist_ok=True)

    def one(row: tuple[str, int]) -> str | None:
        sha256, size = row
        target = folder.clip(sha256)
        there = target.is_file() and target.stat().st_size == size
        if there and (trust or file_hash(target) == sha256):
            return None
        copied = copy_sound(clip_place(place, sha256), target, sha256, name_too=False)
        return None if copied else sha256

    missing: list[str] = []
    # Threads: hashing lets the others run, and their fsyncs are gathered by the file system.
    with ThreadPoolExecutor(AT_ONCE, "restore") as threads:
        for start in range(0, len(rows), BATCH):
            batch = rows[start : start + BATCH]
            missing += [sha256 for sha256 in threads.map(one, batch) if sha256 is not None]
            tell(start + len(batch), len(rows))
        list(threads.map(fsync_folder, [*folder.clips.glob("??"), folder.clips]))
    return missing


def copy_sound(source: Path, target: Path, sha256: str, *, name_too: bool = True) -> bool:
    """Copy a sound durably, if it is what its hash says; False when it is not, or not there. Of
    `name_too` see `write_durably`."""
    try:
        content = source.read_bytes()
    except OSError:
        return False
    if hashlib.sha256(content).hexdigest() != sha256:
        return False
    write_durably(target, content, name_too=name_too)
    return True


def _wanting(place: Path, folder: DataFolder, manifest: Manifest) -> list[str]:
    """Of versions, dataset versions and settings what is to be copied; own settings stay. Raises
    InvalidInput before anything has changed when the backup has it no more."""
    wanting = []
    for name, sha256 in manifest.files.items():
        target = _inside(folder, name)
        if _is(target, sha256) or (target == folder.settings and target.exists()):
            continue
        if not _is(file_place(place, sha256), sha256):
            raise InvalidInput(f"{name} in the backup was altered", "choose another backup")
        wanting.append(name)
    return wanting


def _files(place: Path, folder: DataFolder, manifest: Manifest, wanting: list[str]) -> None:
    """A version of the same name that is another one is set aside."""
    for name in manifest.versions:
        mine = folder.version(name)
        theirs = {n: h for n, h in manifest.files.items() if n.startswith(f"versions/{name}/")}
        if mine.exists() and not all(_is(folder.root / n, h) for n, h in theirs.items()):
            why = "the restored backup holds another version of this name"
            Quarantine(folder).put(VERSION, why, [mine])
            wanting = list({**dict.fromkeys(wanting), **theirs})
    for name in wanting:
        target = folder.root / name
        target.parent.mkdir(exist_ok=True)
        content = file_place(place, manifest.files[name]).read_bytes()
        if hashlib.sha256(content).hexdigest() != manifest.files[name]:
            raise InvalidInput(f"{name} in the backup was altered", "choose another backup")
        write_durably(target, content)


def _inside(folder: DataFolder, name: str) -> Path:
    """The manifest may have been written by somebody else: only names that a backup gives."""
    target = folder.root / name
    version = target.parent
    if ".." in Path(name).parts or not (
        (version.parent == folder.versions and version == folder.version(version.name))
        or (target.parent == folder.datasets and target.suffix == ".json")
        or target == folder.settings
    ):
        raise InvalidInput(f"a backup holds no file {name[:80]!r}", "choose another backup")
    return target


def _is(file: Path, sha256: str) -> bool:
    return file.is_file() and file_hash(file) == sha256


def _database(backup: Path, folder: DataFolder, manifest: Manifest, missing: Iterable[str]) -> None:
    partial = folder.root / ".earmark.db.part"
    content_hash = hashlib.sha256()
    with (backup / "earmark.db").open("rb") as source, partial.open("wb") as copy:
        partial.chmod(0o600)
        while block := source.read(1 << 20):
            content_hash.update(block)
            copy.write(block)
    if content_hash.hexdigest() != manifest.database_sha256:
        raise InvalidInput(f"the database in {backup} was altered", "choose another backup")
    _mark(partial, missing, manifest.made_at)
    files = [folder.root / name for name in (folder.database.name, *SIDE_FILES)]
    if folder.database.exists():
        there = [file for file in files if file.exists()]
        Quarantine(folder).put(DATABASE, f"set aside for the backup {backup.name}", there)
    else:
        # Left of a database that is gone, they would be replayed into the restored one.
        for file in files[1:]:
            file.unlink(missing_ok=True)
    with partial.open("rb") as copy:
        os.fsync(copy.fileno())
    partial.rename(folder.database)
    fsync_folder(folder.root)


def _give_to_owner(folder: Path) -> None:
    """What root has restored into the service's folder must belong to the service's user."""
    owner = folder.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in (folder, *folder.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _mark(database: Path, missing: Iterable[str], at: float) -> None:
    """Rows without their sound say so. A database from before that column is marked later, by
    the look that the library gets anyway."""
    with closing(sqlite3.connect(database)) as opened:
        columns = {row[1] for row in opened.execute("PRAGMA table_info(clips)")}
        if "missing_since" in columns:
            opened.execute("UPDATE clips SET missing_since = NULL WHERE missing_since IS NOT NULL")
            opened.executemany(
                "UPDATE clips SET missing_since = ? WHERE sha256 = ?",
                [(at, sha256) for sha256 in missing],
            )
            opened.commit()


def unfinished(folder: DataFolder) -> Path | None:
    """The backup of a restore that was cut short, if there was one."""
    return _named_in(folder.restoring)


def restored_from(folder: DataFolder) -> Path | None:
    """The backup that this library was made of, if it was."""
    return _named_in(folder.restored)


def _named_in(file: Path) -> Path | None:
    try:
        return Path(file.read_text().strip())
    except FileNotFoundError:
        return None
