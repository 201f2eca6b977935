"""A copy of the database while it is used: whole, checked, and safe from a power cut."""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path

from appliance.errors import StoreError
from appliance.paths import fsync_file


@contextmanager
def copied(
    database: Path, copy: Path
) -> Generator[tuple[sqlite3.Connection, sqlite3.Connection], None, None]:
    """Write `copy` with VACUUM INTO; for the block, the source (which cannot be written) and the
    copy, which the block may change. At its end the copy is checked and fsynced.

    Raises StoreError when either of them is damaged.
    """
    try:
        # As a URI: a path may hold ?, # and %.
        with closing(sqlite3.connect(f"{database.as_uri()}?mode=ro", uri=True)) as source:
            source.execute("VACUUM INTO ?", (str(copy),))
            with closing(sqlite3.connect(copy)) as opened:
                yield source, opened
                _check(opened)
    except sqlite3.Error as error:
        advice = "`earmark doctor` says more"
        raise StoreError(f"the database cannot be copied: {error}", advice) from None
    fsync_file(copy)


def _check(database: sqlite3.Connection) -> None:
    """Of the copy as it is kept. Raises StoreError."""
    database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.execute("PRAGMA journal_mode=DELETE")
    verdict = database.execute("PRAGMA integrity_check").fetchone()[0]
    if verdict == "ok" and (broken := database.execute("PRAGMA foreign_key_check").fetchone()):
        verdict = f"a row of {broken[0]} points at a row of {broken[2]} that is not there"
    if verdict != "ok":
        raise StoreError(f"the copy of the database is not whole: {verdict}", "try again")
