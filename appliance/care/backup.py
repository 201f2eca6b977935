"""A backup: a verified copy of the database, and every sound and version that it names.

    TARGET/
      clips/ab/<sha256>.flac        shared by all backups there: a sound is copied once
      versions/V001/...             the same
      000001-20261124-031700/       one backup: earmark.db, datasets/, earmark.toml, manifest.json

The manifest comes last, so a backup without one was interrupted and counts for nothing. Engines are
left out, since they belong to a device; so are the token and the history.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from appliance import __version__
from appliance.errors import InvalidInput, StoreError
from appliance.library.disk import disk_errors
from appliance.paths import DataFolder, fsync_folder

MANIFEST = "manifest.json"
Progress = Callable[[int, int], None]
"""(files copied or found, files in all)."""


@dataclass(frozen=True)
class Manifest:
    """What a backup holds. `gone`: clips that were deleted while it was made."""

    format: int
    earmark: str
    made_at: float
    database_sha256: str
    clips: int
    bytes: int
    versions: list[str]
    gone: int


def check_target(folder: DataFolder, target: Path) -> None:
    """Raises InvalidInput for a place where a backup would harm or be harmed."""
    try:
        inside = target.resolve()
    except (OSError, ValueError) as error:
        raise InvalidInput(f"this is no path: {error}", "name a folder") from None
    # There the sounds of the backup would be those of the box, and pruning would take them.
    if (inside / "clips").resolve() == folder.clips.resolve():
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


def make_backup(folder: DataFolder, target: Path, keep: int, tell: Progress) -> Path:
    """Back up into `target`, keep the newest `keep`; the folder of the new backup.

    Reads the database through a connection of its own that cannot write. Raises InvalidInput,
    LowSpace, StoreError when the copy is not whole; nothing that exists is changed then.
    """
    check_target(folder, target)
    if target != folder.backups and not target.parent.is_dir():
        # A disk that is not mounted, or a typo, would quietly fill the box's own disk.
        raise InvalidInput(
            f"there is no folder {target.parent}", "mount the disk, or make the folder first"
        )
    with disk_errors("the backup"):
        target.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Numbered, since a box without a clock battery may be in 1970 now.
        number = 1 + max((int(old.name[:6]) for old in backups(target)), default=0)
        stamp = f"{number:06}-{time.strftime('%Y%m%d-%H%M%S')}"
        partial, made = target / f".{stamp}", target / stamp
        partial.mkdir(mode=0o700)
        try:
            manifest = _fill(folder, target, partial, tell)
            _write(partial / MANIFEST, json.dumps(asdict(manifest), indent=1).encode())
            fsync_folder(partial)
            partial.rename(made)
            fsync_folder(target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        verify(made)
        prune(target, keep)
    return made


def _fill(folder: DataFolder, target: Path, partial: Path, tell: Progress) -> Manifest:
    copy = partial / "earmark.db"
    try:
        with closing(sqlite3.connect(f"file:{folder.database}?mode=ro", uri=True)) as source:
            source.execute("VACUUM INTO ?", (str(copy),))
        with closing(sqlite3.connect(copy)) as database:
            verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
            if verdict != "ok":
                raise StoreError(f"the copy of the database is not whole: {verdict}", "try again")
            clips = database.execute("SELECT id, sha256, size FROM clips").fetchall()
            versions = _version_names(database)
            files = [*_version_files(folder, versions)]
            total, done, size, gone = len(clips) + len(files), 0, 0, []
            for identifier, sha256, length in clips:
                if _copy_clip(folder.clip(sha256), _clip_place(target, sha256), sha256, length):
                    size += length
                else:
                    gone.append((identifier,))
                done += 1
                tell(done, total)
            # A row must never name a sound that is not there: these were deleted meanwhile.
            database.execute("PRAGMA foreign_keys=ON")
            database.executemany("DELETE FROM clips WHERE id = ?", gone)
            database.commit()
            database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            database.execute("PRAGMA journal_mode=DELETE")
    except sqlite3.Error as error:
        advice = "`earmark doctor` says more"
        raise StoreError(f"the database cannot be copied: {error}", advice) from None
    for file in files:
        _copy_file(file, target / "versions" / file.parent.name / file.name)
        done += 1
        tell(done, total)
    (partial / "datasets").mkdir()
    for file in folder.datasets.glob("*.json"):
        _copy_file(file, partial / "datasets" / file.name)
    if folder.settings.exists():
        _copy_file(folder.settings, partial / folder.settings.name)
    _sync(copy)
    return Manifest(
        1, __version__, time.time(), _hash(copy), len(clips) - len(gone), size, versions, len(gone)
    )


def verify(backup: Path) -> Manifest:
    """The manifest of a backup that is whole: every sound is there, the database is as it was.

    Raises InvalidInput that says what is wrong. Sounds are compared by size; each was compared by
    its hash when it was copied.
    """
    try:
        manifest = Manifest(**json.loads((backup / MANIFEST).read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise InvalidInput(f"{backup} is no whole backup: {error}", "choose another one") from None
    database = backup / "earmark.db"
    if not database.is_file() or _hash(database) != manifest.database_sha256:
        raise InvalidInput(f"the database in {backup} was altered", "choose another backup")
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as opened:
        rows = opened.execute("SELECT sha256, size FROM clips").fetchall()
    missing = [s for s, size in rows if _size(_clip_place(backup.parent, s)) != size]
    if missing or len(rows) != manifest.clips:
        raise InvalidInput(
            f"{len(missing)} of {manifest.clips} sounds are missing beside {backup}",
            "choose another backup",
        )
    return manifest


def backups(target: Path) -> Iterator[Path]:
    """Those that were completed, the newest first."""
    found = [path.parent for path in target.glob(f"{6 * '[0-9]'}-*/{MANIFEST}")]
    yield from sorted(found, key=lambda path: path.name, reverse=True)


def prune(target: Path, keep: int) -> None:
    """Remove all but the newest `keep`, and the sounds that none of those names."""
    every = list(backups(target))
    for old in every[keep:]:
        shutil.rmtree(old)
    if len(every) <= keep:
        return
    needed: set[str] = set()
    for kept in every[:keep]:
        with closing(sqlite3.connect(f"file:{kept / 'earmark.db'}?mode=ro", uri=True)) as opened:
            needed.update(row[0] for row in opened.execute("SELECT sha256 FROM clips"))
    for file in (target / "clips").glob("??/*.flac"):
        if file.stem not in needed:
            file.unlink()


def _version_names(database: sqlite3.Connection) -> list[str]:
    rows = database.execute("SELECT name FROM versions WHERE deleted_at IS NULL").fetchall()
    return [str(row[0]) for row in rows]


def _version_files(folder: DataFolder, names: list[str]) -> Iterator[Path]:
    for name in names:
        yield from sorted(path for path in folder.version(name).iterdir() if path.is_file())


def _clip_place(target: Path, sha256: str) -> Path:
    return target / "clips" / sha256[:2] / f"{sha256}.flac"


def _copy_clip(source: Path, place: Path, sha256: str, size: int) -> bool:
    """Copy a sound, unless it is there; False when it was deleted meanwhile."""
    if _size(place) == size:
        return True
    try:
        content = source.read_bytes()
    except FileNotFoundError:
        return False
    if hashlib.sha256(content).hexdigest() != sha256:
        raise StoreError(
            f"the sound {source.name} is damaged on disk", "`earmark doctor` says what to do"
        )
    _write(place, content)
    return True


def _copy_file(source: Path, place: Path) -> None:
    if _size(place) != source.stat().st_size:
        _write(place, source.read_bytes())


def _write(place: Path, content: bytes) -> None:
    place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    partial = place.with_name(f".{place.name}.part")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    partial.rename(place)
    fsync_folder(place.parent)


def _sync(file: Path) -> None:
    with file.open("rb") as opened:
        os.fsync(opened.fileno())


def _size(file: Path) -> int | None:
    try:
        return file.stat().st_size
    except OSError:
        return None


def _hash(file: Path) -> str:
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def as_row(backup: Path) -> dict[str, Any]:
    """A backup as people see it; of one whose manifest cannot be read, only where it is."""
    try:
        manifest = json.loads((backup / MANIFEST).read_text())
        return {"path": str(backup), **asdict(Manifest(**manifest))}
    except (OSError, ValueError, TypeError) as error:
        nothing = Manifest(0, "", 0.0, "", 0, 0, [], 0)
        return {"path": str(backup), **asdict(nothing), "problem": f"damaged: {error}"}
