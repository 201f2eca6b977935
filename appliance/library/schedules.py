"""Rows of the daily recordings. When they run is `recording/schedule.py`'s."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass

from appliance.errors import InvalidInput, NotFound
from appliance.library.microphones import MicrophoneRecords
from appliance.library.names import label_name
from appliance.store.database import Database, Row

_TIME = re.compile(r"([01]\d|2[0-3]):[0-5]\d")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}")
LONGEST_S = 24 * 3600.0


@dataclass(frozen=True)
class Schedule:
    """Each day at `at` (HH:MM, local time) record `seconds` from the microphone of that id.
    `last_run_on` is the local date (YYYY-MM-DD) of the last run."""

    id: int
    microphone: str
    at: str
    seconds: float
    label: str | None
    enabled: bool
    last_run_on: str | None
    created_at: float


class ScheduleRecords:
    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[Schedule]:
        """By time of day."""
        return [_schedule(row) for row in self._db.rows("SELECT * FROM schedules ORDER BY at, id")]

    def get(self, identifier: int) -> Schedule:
        row = self._db.row("SELECT * FROM schedules WHERE id = ?", (identifier,))
        if row is None:
            raise NotFound(f"there is no schedule {identifier}")
        return _schedule(row)

    def add(self, microphone: str, at: str, seconds: float, label: str | None) -> Schedule:
        """`microphone` is an id or a name. NotFound, InvalidInput."""
        if not _TIME.fullmatch(at):
            raise InvalidInput(f"{at[:20]!r} is not a time of day", "give HH:MM, such as 06:30")
        if not 0 < seconds <= LONGEST_S:
            raise InvalidInput(f"a recording of {seconds:g} s", "use more than 0 s, up to a day")
        name = None if label is None else label_name(label)
        with self._db.write() as tx:
            record = MicrophoneRecords(self._db).get(microphone)
            cursor = tx.conn.execute(
                "INSERT INTO schedules (microphone, at, seconds, label, created_at)"
                " VALUES (?, ?, ?, ?, ?)",
                (record.id, at, seconds, name, time.time()),
            )
            return self.get(int(cursor.lastrowid or 0))

    def mark_run(self, identifier: int, date: str) -> None:
        """It has run on that local date, so it will not run again on it."""
        if not _DATE.fullmatch(date):
            raise InvalidInput(f"{date[:20]!r} is not a date", "give YYYY-MM-DD")
        with self._db.write() as tx:
            tx.conn.execute("UPDATE schedules SET last_run_on = ? WHERE id = ?", (date, identifier))

    def enable(self, identifier: int, enabled: bool) -> Schedule:
        """Switch it on or off. NotFound."""
        with self._db.write() as tx:
            self.get(identifier)
            tx.conn.execute(
                "UPDATE schedules SET enabled = ? WHERE id = ?", (int(enabled), identifier)
            )
            return self.get(identifier)

    def remove(self, identifier: int) -> None:
        """NotFound."""
        with self._db.write() as tx:
            self.get(identifier)
            tx.conn.execute("DELETE FROM schedules WHERE id = ?", (identifier,))


def _schedule(row: Row) -> Schedule:
    return Schedule(**{**row, "enabled": bool(row["enabled"])})
