"""Clips whose sound was lost: their rows stay, marked.

Labels and dataset versions rest on them; nothing new is published with them; and the mark goes when
the sound comes back.
"""

from __future__ import annotations

import time

from appliance.events import EventBus
from appliance.store.database import Database


class Losses:
    def __init__(self, db: Database, bus: EventBus) -> None:
        self._db = db
        self._bus = bus

    def lost(self, identifier: int) -> bool:
        """This clip has no sound; whether that is news."""
        return self._mark(identifier, time.time(), "lost", "missing_since IS NULL")

    def found(self, identifier: int) -> bool:
        """This clip has its sound again; whether that is news."""
        return self._mark(identifier, None, "found", "missing_since IS NOT NULL")

    def count(self) -> int:
        """How many clips have no sound."""
        row = self._db.row("SELECT count(*) AS n FROM clips WHERE missing_since IS NOT NULL")
        return 0 if row is None else int(row["n"])

    def _mark(self, identifier: int, since: float | None, action: str, unless: str) -> bool:
        with self._db.write() as tx:
            changed = tx.conn.execute(
                f"UPDATE clips SET missing_since = ? WHERE id = ? AND {unless}", (since, identifier)
            ).rowcount
            if changed:
                told: dict[str, object] = {"action": action, "clips": [identifier]}
                self._db.after_commit(lambda: self._tell(told))
        return bool(changed)

    def _tell(self, told: dict[str, object]) -> None:
        self._bus.publish("clip", told)
