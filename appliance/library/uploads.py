"""Which files have been imported, so that a repeated import sends only what is missing."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Sequence

from appliance.errors import InvalidInput
from appliance.library.clip import get_many
from appliance.store.database import Database

_SHA256 = re.compile(r"[0-9a-f]{64}")


def known_upload(db: Database, sha256: str, piece_seconds: float) -> list[int] | None:
    """The clips that were made of the file with this hash when it was cut into pieces of that
    length; None when it is unknown, or when one of them was deleted or lost since."""
    _check(sha256)
    row = db.row(
        "SELECT clip_ids FROM uploads WHERE sha256 = ? AND piece_seconds = ?",
        (sha256, piece_seconds),
    )
    if row is None:
        return None
    ids: list[int] = json.loads(row["clip_ids"])
    there = [clip for clip in get_many(db, ids) if not clip.missing]
    return ids if len(there) == len(ids) else None


def remember_upload(
    db: Database, sha256: str, piece_seconds: float, clip_ids: Sequence[int]
) -> None:
    """Call it once all pieces of the file are stored."""
    _check(sha256)
    with db.write() as tx:
        tx.conn.execute(
            "INSERT OR REPLACE INTO uploads VALUES (?, ?, ?, ?)",
            (sha256, piece_seconds, json.dumps(list(clip_ids)), time.time()),
        )


def _check(sha256: str) -> None:
    if not _SHA256.fullmatch(sha256):
        raise InvalidInput(f"not a SHA-256: {sha256[:80]!r}", "give 64 lower-case hex digits")
