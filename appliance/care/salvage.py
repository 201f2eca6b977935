"""What can still be read of a damaged database: row by row, past the pages that are gone.

SQLite's own way of reading stops at the first page that makes no sense. Here it goes on behind it,
in growing steps by row id. Nothing that was read is trusted: what is used is checked again where it
goes.
"""

from __future__ import annotations

import logging
import math
import re
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_SHA256 = re.compile(r"[0-9a-f]{64}")
LARGEST = 2**62
PLAIN = ("microphones", "schedules", "thresholds")
"""Tables that stand for themselves: settings of the box that nobody wants to give again."""

Row = dict[str, Any]


def clips(database: Path) -> dict[str, Mapping[str, Any]]:
    """What it knew of each clip, by the SHA-256 of its file, as a snapshot of a dataset version
    says it: id, label, session_key, microphone, source, filename, recorded_at."""
    with _opened(database) as source:
        labels = {row["id"]: row["name"] for row in rows(source, "labels")}
        sessions = {row["id"]: row["key"] for row in rows(source, "sessions")}
        return {
            row["sha256"]: {
                "id": row["id"],
                "sha256": row["sha256"],
                "label": labels.get(row["label_id"]),
                "session_key": sessions.get(row["session_id"], f"recovered-{row['session_id']}"),
                "microphone": row["microphone"],
                "source": row["source"],
                "filename": row["filename"],
                "recorded_at": row["recorded_at"],
            }
            for row in rows(source, "clips")
            if _is_clip(row)
        }


def plain(database: Path) -> dict[str, list[Row]]:
    """The rows of the tables in PLAIN, and of `deployments` the live one."""
    with _opened(database) as source:
        found = {table: list(rows(source, table)) for table in PLAIN}
        live = [row for row in rows(source, "deployments") if row.get("state") == "live"]
        return {**found, "deployments": live[-1:]}


def rows(source: sqlite3.Connection, table: str) -> Iterator[Row]:
    """Those rows of a table that can be read, by row id. WITHOUT ROWID tables give none."""
    last, step = -LARGEST, 0
    while last < LARGEST:
        try:
            cursor = source.execute(
                f"SELECT rowid AS _rowid, * FROM {table} WHERE rowid > ? ORDER BY rowid", (last,)
            )
            names = [column[0] for column in cursor.description]
            for values in cursor:
                last, step = values[0], 0
                yield dict(zip(names[1:], values[1:], strict=True))
            return
        except sqlite3.Error as error:
            # Behind the damage: 1, 2, 4, ... ids on; ids begin at 1.
            step = max(1, 2 * step)
            last = max(last, 0) + step
            if step == 1:
                log.warning("a page of the table %s cannot be read: %s", table, error)


def _opened(database: Path) -> closing[sqlite3.Connection]:
    # immutable: what was set aside stays as it was found.
    source = sqlite3.connect(f"{database.as_uri()}?mode=ro&immutable=1", uri=True)
    source.text_factory = lambda content: content.decode("utf-8", errors="replace")
    return closing(source)


def _is_clip(row: Row) -> bool:
    """Whether a row says what a clip's row may say; garbage may look like a row."""
    at = row["recorded_at"]
    return (
        isinstance(row["sha256"], str)
        and _SHA256.fullmatch(row["sha256"]) is not None
        and isinstance(row["id"], int)
        and 0 < row["id"] < LARGEST
        and isinstance(at, (int, float))
        and math.isfinite(at)
        and all(isinstance(row[name], (str, type(None))) for name in ("microphone", "filename"))
    )
