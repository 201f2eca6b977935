"""Times that were taken before the wall clock was set, corrected once it is.

Of the present boot only: the offset between its monotonic clock and the wall clock is known. What
happened when, relative to each other, was right all the time; ids, which give the order, stay.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from appliance import clock
from appliance.errors import EarmarkError
from appliance.periodic import Periodic
from appliance.store.database import Database

log = logging.getLogger(__name__)

LOOK_EVERY_S = 10.0
BATCH = 500

# The end keeps its distance from the onset, so it moves as far as the onset does.
_UPDATES = {
    "clips": "recorded_at = :offset + monotonic_ns / 1e9",
    "detections": (
        "ended_at = ended_at - started_at + :offset + monotonic_ns / 1e9,"
        " started_at = :offset + monotonic_ns / 1e9"
    ),
    "rejections": "at = :offset + monotonic_ns / 1e9",
}


class ClockSet:
    def __init__(self, db: Database, now: Callable[[], clock.Stamp] = clock.now) -> None:
        self._db = db
        self._now = now
        self._wait_s = LOOK_EVERY_S
        self._periodic = Periodic("clock", self._turn, lambda: self._wait_s)
        self.start = self._periodic.start
        self.stop = self._periodic.stop

    def look(self) -> int:
        """Correct what this boot stored while its clock was not set; how many rows that were. A
        transaction a batch, so that nobody waits long for the database."""
        present = self._now()
        if not present.clock_synced:
            return 0
        offset = present.wall - present.monotonic_ns / 1e9
        changed = sum(self._correct(table, present.boot_id, offset) for table in _UPDATES)
        if changed:
            log.info("the clock is set: the times of %d rows were corrected", changed)
        return changed

    def _correct(self, table: str, boot_id: str, offset: float) -> int:
        changed = last = 0
        while rows := self._db.rows(
            f"SELECT id FROM {table} WHERE id > ? AND clock_synced = 0 AND boot_id = ?"
            f" ORDER BY id LIMIT {BATCH}",
            (last, boot_id),
        ):
            values = {"offset": offset, "boot": boot_id, "first": last, "end": rows[-1]["id"]}
            with self._db.write() as tx:
                changed += tx.conn.execute(
                    f"UPDATE {table} SET {_UPDATES[table]}, clock_synced = 1"
                    " WHERE id > :first AND id <= :end AND clock_synced = 0 AND boot_id = :boot",
                    values,
                ).rowcount
            last = rows[-1]["id"]
        return changed

    def _turn(self) -> None:
        # A row may come late, stamped before the clock was set: so looking goes on, seldom.
        self._wait_s = LOOK_EVERY_S
        try:
            # Rows that this boot stored after the clock was set do not need a look.
            if not self.look() and self._now().clock_synced:
                self._wait_s = LOOK_EVERY_S * 60
        except EarmarkError as error:
            log.warning("times are not corrected yet: %s", error)
