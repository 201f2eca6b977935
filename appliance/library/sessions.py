"""Sessions: one continuous recording, or the group that an import names.

A session is what a split never tears apart: clips of one recording share its room, its distance
and its noise, and a network that saw one of them in training recognises the others by those.
"""

from __future__ import annotations

import time
import uuid
from dataclasses import dataclass

from sqlite_utils import Database as SqliteUtils

from appliance.errors import Conflict, NotFound
from appliance.library.names import session_key
from appliance.store.database import Database

NEAR_S = 60.0


@dataclass(frozen=True)
class Session:
    id: int
    key: str
    kind: str
    microphone: str | None
    created_at: float


class Sessions:
    def __init__(self, db: Database) -> None:
        self._db = db

    def new(self, key: str | None, kind: str, microphone: str | None = None) -> int:
        """Begin a session; without a key it gets one of its own. Conflict when the key is taken."""
        name = f"{kind}-{uuid.uuid4().hex[:12]}" if key is None else session_key(key)
        with self._db.write() as tx:
            if self._db.row("SELECT 1 FROM sessions WHERE key = ?", (name,)):
                raise Conflict(f"there is a session {name!r} already", "choose another key")
            return self._insert(tx, name, kind, microphone)

    def get_or_new(self, key: str, kind: str, microphone: str | None = None) -> int:
        """The session of that key, begun now if it is new."""
        name = session_key(key)
        with self._db.write() as tx:
            row = self._db.row("SELECT id FROM sessions WHERE key = ?", (name,))
            if row is not None:
                return int(row["id"])
            return self._insert(tx, name, kind, microphone)

    def get(self, identifier: int) -> Session:
        row = self._db.row("SELECT * FROM sessions WHERE id = ?", (identifier,))
        if row is None:
            raise NotFound(f"there is no session {identifier}")
        return Session(**row)

    def find(self, key: str) -> Session:
        row = self._db.row("SELECT * FROM sessions WHERE key = ?", (session_key(key),))
        if row is None:
            raise NotFound(f"there is no session {key!r}")
        return Session(**row)

    def heard_near(self, microphone: str, at: float) -> int | None:
        """The session of a clip that this microphone recorded within a minute of `at` (wall
        clock): what lies so close belongs to one recording."""
        row = self._db.row(
            "SELECT session_id FROM clips INDEXED BY clips_by_microphone_time"
            " WHERE microphone = ? AND recorded_at BETWEEN ? AND ?"
            " ORDER BY abs(recorded_at - ?) LIMIT 1",
            (microphone, at - NEAR_S, at + NEAR_S, at),
        )
        return None if row is None else int(row["session_id"])

    @staticmethod
    def _insert(tx: SqliteUtils, name: str, kind: str, microphone: str | None) -> int:
        cursor = tx.conn.execute(
            "INSERT INTO sessions (key, kind, microphone, created_at) VALUES (?, ?, ?, ?)",
            (name, kind, microphone, time.time()),
        )
        return int(cursor.lastrowid or 0)
