"""Clips that a person said shall stay: they are never cleared away to make room."""

from __future__ import annotations

from collections.abc import Sequence

from appliance import clock
from appliance.errors import NotFound
from appliance.events import EventBus
from appliance.library.clip import BATCH
from appliance.store.database import Database


class Keeping:
    def __init__(self, db: Database, bus: EventBus) -> None:
        self._db = db
        self._bus = bus

    def set(self, ids: Sequence[int], kept: bool) -> int:
        """Mark these clips, or let them go again; how many changed. NotFound: then none did."""
        wanted = sorted(set(ids))
        changed: list[int] = []
        with self._db.write() as tx:
            for start in range(0, len(wanted), BATCH):
                some = wanted[start : start + BATCH]
                marks = ",".join("?" * len(some))
                rows = self._db.rows(f"SELECT id, protected FROM clips WHERE id IN ({marks})", some)
                if missing := set(some) - {row["id"] for row in rows}:
                    raise NotFound(f"there is no clip {min(missing)}", "nothing was changed")
                changed += [row["id"] for row in rows if bool(row["protected"]) != kept]
                tx.conn.execute(
                    f"UPDATE clips SET protected = ? WHERE id IN ({marks})", [int(kept), *some]
                )
            if changed:
                told: dict[str, object] = {
                    "action": "kept" if kept else "released",
                    "clips": changed[:BATCH],
                }
                self._db.after_commit(lambda: self._tell(told))
        return len(changed)

    def since(self, seconds: float) -> list[int]:
        """The clips whose sound ended within the last `seconds`, by time since boot."""
        rows = self._db.rows(
            "SELECT id FROM clips WHERE boot_id = ? AND monotonic_ns + duration_s * 1e9 >= ?"
            " ORDER BY id",
            (clock.boot_id(), clock.monotonic_ns() - seconds * 1e9),
        )
        return [row["id"] for row in rows]

    def _tell(self, told: dict[str, object]) -> None:
        self._bus.publish("clip", told)
