"""A data folder made of a backup, on this box or a new one. The daemon must not run on it."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from appliance.care.backup import Manifest, backups, verify
from appliance.errors import Conflict, InvalidInput
from appliance.library.disk import disk_errors
from appliance.paths import DataFolder, fsync_folder

SIDE_FILES = ("earmark.db-wal", "earmark.db-shm")


def find(source: Path) -> Path:
    """The backup that `source` is, or the newest of those in it."""
    if (source / "manifest.json").is_file():
        return source
    for backup in backups(source):
        return backup
    raise InvalidInput(f"there is no backup in {source}", "name the folder that was backed up to")


def restore(
    source: Path, folder: DataFolder, *, force: bool, tell: Callable[[int, int], None]
) -> Manifest:
    """Fill the data folder from the backup `source`, which is verified first.

    A folder that holds a database already is refused; with `force` its database is set aside in
    `quarantine/`, and its sounds stay. Versions are compiled anew at the daemon's next start.
    Raises InvalidInput, Conflict, LowSpace.
    """
    backup = find(source)
    manifest = verify(backup)
    if folder.database.exists() and not force:
        raise Conflict(
            f"{folder.root} holds a library already",
            "restore into another folder with --data, or set it aside with --force",
        )
    with disk_errors("the restored library"):
        folder.create()
        _set_aside(folder)
        target = backup.parent
        clips = list((target / "clips").glob("??/*.flac"))
        for number, file in enumerate(clips, start=1):
            place = folder.clip(file.stem)
            if not place.exists():
                place.parent.mkdir(exist_ok=True)
                _copy(file, place)
            tell(number, len(clips))
        for name in manifest.versions:
            shutil.copytree(target / "versions" / name, folder.version(name), dirs_exist_ok=True)
        for file in (backup / "datasets").glob("*.json"):
            _copy(file, folder.datasets / file.name)
        if (backup / folder.settings.name).exists() and not folder.settings.exists():
            _copy(backup / folder.settings.name, folder.settings)
        _give_to_owner(folder.root)
        # The database last: until it is there, the folder is empty for everybody.
        _copy(backup / "earmark.db", folder.database)
        _give_to_owner(folder.database)
        fsync_folder(folder.root)
    return manifest


def _give_to_owner(made: Path) -> None:
    """What root has restored into the service's folder must belong to the service's user."""
    owner = made.parent.stat() if made.is_file() else made.stat()
    if os.geteuid() == 0 and owner.st_uid != 0:
        for path in (made, *made.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _set_aside(folder: DataFolder) -> None:
    if not folder.database.exists():
        # Left of a database that is gone, they would be replayed into the restored one.
        for name in SIDE_FILES:
            (folder.root / name).unlink(missing_ok=True)
        return
    aside = folder.quarantine / f"before-restore-{time.strftime('%Y%m%d-%H%M%S')}"
    aside.mkdir(parents=True)
    for name in (folder.database.name, *SIDE_FILES):
        file = folder.root / name
        if file.exists():
            file.rename(aside / name)


def _copy(source: Path, place: Path) -> None:
    partial = place.with_name(f".{place.name}.part")
    shutil.copyfile(source, partial)
    partial.chmod(0o600)
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.rename(place)
