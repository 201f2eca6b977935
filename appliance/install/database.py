"""A verified copy of the database from before an upgrade, and the way back to it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path

from appliance.care.rebuild import wanted
from appliance.install.places import Places
from appliance.install.system import InstallFailed
from appliance.paths import DataFolder

_SIDE_FILES = ("-wal", "-shm")


def copy_before(places: Places, version: str) -> Path | None:
    """Copy the database into `backups/`, checked; None when there is none yet.

    The daemon must be stopped. Raises InstallFailed when the database or its copy is damaged.
    """
    source = places.data / "earmark.db"
    if not source.exists():
        return None
    folder = places.data / "backups"
    folder.mkdir(mode=0o700, exist_ok=True)
    target = folder / f"before-upgrade-from-{version}-{time.strftime('%Y%m%d-%H%M%S')}.db"
    try:
        with closing(sqlite3.connect(source)) as db:
            db.execute("VACUUM INTO ?", (str(target),))
            counts = _counts(db)
        with closing(sqlite3.connect(f"{target.as_uri()}?mode=ro", uri=True)) as copy:
            verdict = copy.execute("PRAGMA integrity_check").fetchone()[0]
            copied = _counts(copy)
    except sqlite3.Error as error:
        target.unlink(missing_ok=True)
        raise InstallFailed(
            f"the database could not be copied: {error}",
            "nothing was changed; `earmark doctor` says more",
        ) from None
    if verdict != "ok" or counts != copied:
        target.unlink(missing_ok=True)
        raise InstallFailed(
            f"the copy of the database is not whole ({verdict})",
            "nothing was changed; check the disk, then try again",
        )
    _sync(target)
    _belongs_to_owner_of(places.data, folder, target)
    return target


def put_back(places: Places, copy: Path) -> Path:
    """Put the copy in place of the database; what the failed release left is set aside.

    Returns the folder in `quarantine/` that holds it. The daemon must be stopped.
    """
    aside = places.data / "quarantine" / f"failed-upgrade-{time.strftime('%Y%m%d-%H%M%S')}"
    aside.mkdir(parents=True)
    database = places.data / "earmark.db"
    for suffix in ("", *_SIDE_FILES):
        file = database.with_name(database.name + suffix)
        if file.exists():
            file.rename(aside / file.name)
    partial = database.with_name(".earmark.db.new")
    shutil.copyfile(copy, partial)
    partial.chmod(0o600)
    _sync(partial)
    partial.rename(database)
    # Sounds that the failed release recorded have no row in this one: they become clips again.
    folder = DataFolder(places.data)
    wanted(folder, "an upgrade was taken back")
    _belongs_to_owner_of(places.data, aside.parent, aside, database, folder.rebuild)
    return aside


def _counts(db: sqlite3.Connection) -> dict[str, int]:
    """Rows of every table."""
    names = db.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    return {
        name: db.execute(f'SELECT count(*) FROM "{name}"').fetchone()[0]
        for (name,) in names
        if not name.startswith("sqlite_")
    }


def _sync(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _belongs_to_owner_of(folder: Path, *made: Path) -> None:
    """What root made in the data folder belongs to the service."""
    owner = folder.stat()
    for path in made:
        os.chown(path, owner.st_uid, owner.st_gid)
