"""Check: is the database whole? SQLite's own quick_check, read-only."""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path

from appliance.care.check import Check

NAME = "database"
DAMAGED = (
    "restart the daemon: it sets the file aside and restores the newest backup; the clips' files "
    "are not touched"
)


def hung() -> Check:
    """Of a daemon whose writer does not answer."""
    return Check(
        NAME,
        "failing",
        "It does not take writes any more.",
        "see `dmesg` for errors of the disk; restart the daemon (`systemctl restart earmark`)",
    )


def check_open(connection: sqlite3.Connection) -> Check:
    """On a connection that is open; reads the whole file."""
    try:
        found = [row[0] for row in connection.execute("PRAGMA quick_check(3)")]
    except sqlite3.DatabaseError as error:
        return Check(NAME, "failing", f"It is damaged: {error}.", DAMAGED)
    if found != ["ok"]:
        return Check(NAME, "failing", f"It is damaged: {found[0]}.", DAMAGED)
    return Check(NAME, "ok", "It is whole.")


def check_file(path: Path) -> Check:
    """Of a file that no daemon has open. Nothing is written beside it: where a log of a daemon
    that was killed waits to be read, a copy of both is looked at."""
    if not path.exists():
        return Check(NAME, "not applicable", "There is none yet: the first start makes it.")
    log = path.with_name(path.name + "-wal")
    try:
        if not log.exists() or log.stat().st_size == 0:
            # immutable: SQLite makes neither -wal nor -shm.
            return _check_uri(f"{path.absolute().as_uri()}?mode=ro&immutable=1")
        with tempfile.TemporaryDirectory(prefix="earmark-doctor-") as folder:
            copy = Path(folder) / path.name
            shutil.copyfile(path, copy)
            shutil.copyfile(log, copy.with_name(log.name))
            return _check_uri(copy.as_uri())
    except OSError as error:
        return Check(
            NAME,
            "failing",
            f"It cannot be read: {error.strerror}.",
            f"run this as the user who owns {path.parent}",
        )


def _check_uri(uri: str) -> Check:
    try:
        with closing(sqlite3.connect(uri, uri=True)) as connection:
            return check_open(connection)
    except sqlite3.DatabaseError as error:
        return Check(NAME, "failing", f"It cannot be opened: {error}.", DAMAGED)
