"""Is a database file whole? Asked before it is opened to be used.

SQLite's own checks: `quick_check` reads every page once, `integrity_check` also compares each index
with its table. Both can take long on a slow card, so both have a limit.
"""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import StoreError

QUICK_S = 10.0
FULL_S = 60.0
# What SQLite calls an error of its statement, though the file is at fault.
_DAMAGE = ("malformed", "unsupported file format", "not a database", "encrypted")


@dataclass(frozen=True)
class Verdict:
    """`damage`: what is wrong, empty when nothing was found; `complete`: whether the look came to
    its end within its limit."""

    damage: str
    complete: bool = True


def left_open(path: Path) -> bool:
    """Whether its last user ended without closing it: the write-ahead log still holds pages."""
    log = path.with_name(path.name + "-wal")
    return log.exists() and log.stat().st_size > 0


def examine(path: Path, *, thorough: bool = False, limit_s: float | None = None) -> Verdict:
    """Look at a database that nobody has open; its write-ahead log is taken up, as at any opening.

    Raises StoreError when the disk or its permissions are at fault: a file that cannot be read
    is not damaged, and must not be treated as if it were.
    """
    if path.stat().st_size == 0:
        return Verdict("the file is empty")
    limit = limit_s if limit_s is not None else FULL_S if thorough else QUICK_S
    late = threading.Event()
    try:
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with closing(sqlite3.connect(uri, uri=True, timeout=30.0)) as connection:

            def stop() -> None:
                late.set()
                connection.interrupt()

            timer = threading.Timer(limit, stop)
            timer.start()
            try:
                tables = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
                check = "integrity_check" if thorough else "quick_check"
                found = [row[0] for row in connection.execute(f"PRAGMA {check}(3)")]
            finally:
                timer.cancel()
                timer.join()
    except sqlite3.DatabaseError as error:
        if late.is_set():
            return Verdict("", complete=False)
        if isinstance(error, sqlite3.OperationalError) and not any(
            word in str(error) for word in _DAMAGE
        ):
            raise StoreError(
                f"the database {path} cannot be read: {error}",
                "see `dmesg` for errors of the disk, and who owns the file",
            ) from error
        return Verdict(str(error))
    if late.is_set():
        # What an interrupted check says is no finding: pages that it did not reach look unused.
        return Verdict("", complete=False)
    if found != ["ok"]:
        return Verdict(found[0])
    return Verdict("" if tables else "the file holds no tables")
