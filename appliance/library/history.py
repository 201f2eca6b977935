"""Who gave a clip which label, when and why. Rows are only ever added, even when a clip goes."""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass

from sqlite_utils import Database as SqliteUtils

from appliance.store.database import Database


@dataclass(frozen=True)
class LabelChange:
    """`before` and `after` are labels, None for none; `why` is what was done: label, import,
    rename, merge, delete label, delete clip, ..."""

    at: float
    author: str
    before: str | None
    after: str | None
    why: str


def note(
    tx: SqliteUtils,
    clips: Iterable[int],
    author: str,
    before: str | None,
    after: str | None,
    why: str,
) -> None:
    """One row a clip, within the caller's transaction."""
    at = time.time()
    tx.conn.executemany(
        "INSERT INTO label_history (clip_id, at, author, before, after, why)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        [(clip, at, author, before, after, why) for clip in clips],
    )


def note_whole_label(
    tx: SqliteUtils, label_id: int, author: str, before: str, after: str | None, why: str
) -> None:
    """One row for each clip that has the label now, within the caller's transaction."""
    tx.conn.execute(
        "INSERT INTO label_history (clip_id, at, author, before, after, why)"
        " SELECT id, ?, ?, ?, ?, ? FROM clips WHERE label_id = ? ORDER BY id",
        (time.time(), author, before, after, why, label_id),
    )


def of_clip(db: Database, clip: int) -> list[LabelChange]:
    """Oldest first; also of a clip that is gone."""
    rows = db.rows(
        "SELECT at, author, before, after, why FROM label_history WHERE clip_id = ? ORDER BY id",
        (clip,),
    )
    return [LabelChange(**row) for row in rows]
