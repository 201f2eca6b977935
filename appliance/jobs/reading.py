"""Reading the table of jobs: what people see, with places in the queue and fresh progress."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import dataclass
from typing import Any

from appliance.errors import InvalidInput, NotFound
from appliance.jobs.job import (
    IN_SLOT,
    PAUSED,
    QUEUED,
    RUNNING,
    STARTING,
    Job,
    job_from_row,
    used_seconds,
)
from appliance.store.database import Database, Row

HOLDER = f"state IN ('{STARTING}', '{RUNNING}', '{PAUSED}')"
"""SQL: the job holds the slot."""


@dataclass(frozen=True)
class JobPage:
    """Jobs, the newest first; `next_cursor` asks for the older ones."""

    items: list[Job]
    next_cursor: str | None


class JobReader:
    """Thread-safe. `_told` holds what trainings said since the last commit."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self._told: dict[int, dict[str, Any]] = {}
        self._told_lock = threading.Lock()

    def row(self, identifier: int) -> Row:
        row = self.db.row("SELECT * FROM jobs WHERE id = ?", [identifier])
        if row is None:
            raise NotFound(f"no job {identifier}", "`earmark jobs` lists them")
        return row

    def get(self, identifier: int) -> Job:
        """Raises NotFound."""
        return self._jobs([self.row(identifier)])[0]

    def page(self, limit: int = 50, cursor: str | None = None) -> JobPage:
        """Raises InvalidInput for a cursor that this did not give out."""
        if not 1 <= limit <= 1000:
            raise InvalidInput(f"a limit of {limit} is outside 1 to 1000")
        # 18 digits always fit into SQLite's integers.
        if cursor is not None and not (
            cursor.isascii() and cursor.isdecimal() and len(cursor) < 19
        ):
            raise InvalidInput(f"not a cursor: {cursor[:40]!r}", "use the one of the last answer")
        before = int(cursor) if cursor else 2**62
        rows = self.db.rows(
            "SELECT * FROM jobs WHERE id < ? ORDER BY id DESC LIMIT ?", [before, limit + 1]
        )
        shown = rows[:limit]
        return JobPage(self._jobs(shown), str(shown[-1]["id"]) if len(rows) > limit else None)

    def holder(self) -> Row | None:
        """The job that holds the slot."""
        return self.db.row(f"SELECT * FROM jobs WHERE {HOLDER}")

    def outlook(self) -> tuple[dict[int, tuple[int, float]], tuple[int, float]]:
        """Position and expected start (epoch s) of each waiting job, and of one submitted now."""
        start, position = time.time(), 1
        if holder := self.holder():
            told = self._progress(holder)
            start += told["eta_s"] if "eta_s" in told else _planned_rest(holder)
        places = {}
        for row in self.db.rows("SELECT * FROM jobs WHERE state = ? ORDER BY id", [QUEUED]):
            places[row["id"]] = (position, start)
            start += _planned_rest(row)
            position += 1
        return places, (position, start)

    def _jobs(self, rows: list[Row]) -> list[Job]:
        waiting = any(row["state"] == QUEUED for row in rows)
        places = self.outlook()[0] if waiting else {}
        jobs = []
        for row in rows:
            position, start = places.get(row["id"], (None, None))
            jobs.append(
                job_from_row(
                    row,
                    progress=self._progress(row),
                    position=position,
                    expected_start=start,
                )
            )
        return jobs

    def _progress(self, row: Row) -> dict[str, Any]:
        with self._told_lock:
            told = self._told.get(row["id"])
        if told is None or row["state"] not in IN_SLOT:
            told = json.loads(row["progress"])
        return told or {}


def _planned_rest(row: Row) -> float:
    """Seconds that a job still needs, as planned."""
    planned = json.loads(row["plan"]).get("seconds") or row["limit_s"]
    return float(max(min(planned, row["limit_s"]) - used_seconds(row), 0.0))
