"""The table of jobs: what stands in it, and the only ways to move a job from state to state.

A move is one UPDATE that names the state it leaves, with its event in the same transaction. When
two want to move one job, the first to commit wins and the other is told so.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from appliance import clock
from appliance.errors import InvalidInput, NotFound
from appliance.events import EventBus
from appliance.jobs.job import (
    BY_HAND,
    CANCELLED,
    ENDED,
    IN_SLOT,
    MOVES,
    PAUSED,
    QUEUED,
    RUNNING,
    STARTING,
    Job,
    job_from_row,
    used_seconds,
)
from appliance.store.database import Database, Row

log = logging.getLogger(__name__)

_HOLDER = f"state IN ('{STARTING}', '{RUNNING}', '{PAUSED}')"


@dataclass(frozen=True)
class JobPage:
    """Jobs, the newest first; `next_cursor` asks for the older ones."""

    items: list[Job]
    next_cursor: str | None


class JobTable:
    """Reads and moves jobs; thread-safe."""

    def __init__(self, db: Database, bus: EventBus) -> None:
        self.db = db
        self._bus = bus
        self._told: dict[int, dict[str, Any]] = {}
        self._told_lock = threading.Lock()
        self.changed = threading.Event()
        """Set when a job was added, cancelled or ended: the runner waits on it."""

    # --- reading ---------------------------------------------------------------------------------

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
        if cursor is not None and not cursor.isdecimal():
            raise InvalidInput(f"not a cursor: {cursor[:40]!r}", "use the one of the last answer")
        before = int(cursor) if cursor else 2**62
        rows = self.db.rows(
            "SELECT * FROM jobs WHERE id < ? ORDER BY id DESC LIMIT ?", [before, limit + 1]
        )
        shown = rows[:limit]
        return JobPage(self._jobs(shown), str(shown[-1]["id"]) if len(rows) > limit else None)

    def holder(self) -> Row | None:
        """The job that holds the slot."""
        return self.db.row(f"SELECT * FROM jobs WHERE {_HOLDER}")

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

    # --- moving ----------------------------------------------------------------------------------

    def add(self, values: dict[str, Any]) -> int:
        """A new job in the queue; its id."""
        row = {**values, "state": QUEUED, "submitted_at": time.time()}
        with self.db.write() as db:
            columns, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
            cursor = db.conn.execute(f"INSERT INTO jobs ({columns}) VALUES ({marks})", row)
            identifier = int(cursor.lastrowid or 0)
            self._event(identifier, QUEUED, None, "submitted")
        return identifier

    def move(
        self,
        identifier: int,
        before: str,
        after: str,
        *,
        reason: str | None = None,
        detail: str | None = None,
        unless_cancelled: bool = False,
        **columns: Any,
    ) -> bool:
        """Move a job from state `before` to `after` and set `columns`; False when it is no longer
        in `before` (or was cancelled, where that matters): somebody else was first. Without
        `detail` the row keeps the one it has."""
        if (before, after) not in MOVES:
            raise ValueError(f"a job does not move from {before} to {after}")
        values: dict[str, Any] = {**columns, "state": after, "reason": reason}
        if detail is not None:
            values["detail"] = detail
        assignments = ", ".join(f"{name} = :{name}" for name in values)
        condition = " AND cancel_requested = 0" if unless_cancelled else ""
        with self.db.write() as db:
            cursor = db.conn.execute(
                f"UPDATE jobs SET {assignments} WHERE id = :_id AND state = :_before{condition}",
                {**values, "_id": identifier, "_before": before},
            )
            if cursor.rowcount != 1:
                return False
            self._event(identifier, after, reason, detail or "")
        return True

    def take(self) -> Row | None:
        """Put the first waiting job into the slot; None when nothing waits or the slot is held.

        The starting state is committed, with the boot's id, before any process is made.
        """
        with self.db.write():
            row = self.db.row("SELECT * FROM jobs WHERE state = ? ORDER BY id LIMIT 1", [QUEUED])
            if row is None:
                return None
            again = row["started_at"] is not None
            try:
                moved = self.move(
                    row["id"],
                    QUEUED,
                    STARTING,
                    detail="goes on from its checkpoint" if again else "",
                    boot_id=clock.boot_id(),
                    attempt_ns=clock.monotonic_ns(),
                    attempts=row["attempts"] + 1,
                    started_at=row["started_at"] or time.time(),
                    pid=None,
                    pid_started=None,
                    progress="{}",
                )
            except sqlite3.IntegrityError:
                return None  # one_job_holds_the_slot
        return self.row(row["id"]) if moved else None

    def cancel(self, identifier: int, author: str) -> Job:
        """Cancel at once while it waits; ask its training to end while it runs; else do nothing.

        Once a training's end has been decided (a reason stands in the row), that was first.
        """
        detail = f"cancelled by {author}" if author else "cancelled"
        with self.db.write() as db:
            row = self.row(identifier)
            if row["state"] == QUEUED:
                self.move(
                    identifier,
                    QUEUED,
                    CANCELLED,
                    reason=BY_HAND,
                    detail=detail,
                    ended_at=time.time(),
                    cancel_requested=1,
                )
            elif row["state"] not in ENDED:
                cursor = db.conn.execute(
                    f"UPDATE jobs SET cancel_requested = 1, detail = ? WHERE id = ? AND {_HOLDER} "
                    "AND reason IS NULL AND cancel_requested = 0",
                    [detail, identifier],
                )
                if cursor.rowcount == 1:
                    self._event(identifier, row["state"], None, detail)
        return self.get(identifier)

    def note_child(self, identifier: int, pid: int, pid_started: int) -> None:
        """Commit who works on the job, before that process is allowed to begin."""
        with self.db.write() as db:
            db.conn.execute(
                f"UPDATE jobs SET pid = ?, pid_started = ? WHERE id = ? AND {_HOLDER}",
                [pid, pid_started, identifier],
            )

    def note_verdict(self, identifier: int, reason: str, detail: str) -> None:
        """Commit how the training ended, while its best model is still being saved."""
        with self.db.write() as db:
            row = self.row(identifier)
            db.conn.execute(
                f"UPDATE jobs SET reason = ?, detail = ?, used_s = ?, attempt_ns = NULL "
                f"WHERE id = ? AND {_HOLDER}",
                [reason, detail, used_seconds(row), identifier],
            )
            self._event(identifier, row["state"], reason, detail)

    def verdicts(self, identifier: int) -> int:
        """How often the end of this job was decided without reaching it."""
        row = self.db.row(
            f"SELECT count(*) AS n FROM job_events WHERE job_id = ? AND {_HOLDER} "
            "AND reason IS NOT NULL",
            [identifier],
        )
        return int(row["n"]) if row else 0

    def note_plan(self, identifier: int, plan: dict[str, Any]) -> None:
        """The length that the training has decided on."""
        with self.db.write() as db:
            db.conn.execute("UPDATE jobs SET plan = ? WHERE id = ?", [json.dumps(plan), identifier])

    def tell(self, identifier: int, progress: dict[str, Any]) -> None:
        """What the training just said: for whoever asks, and for the bus."""
        with self._told_lock:
            self._told[identifier] = progress
        self._announce(identifier)

    def commit_use(self, identifier: int) -> None:
        """Commit the time used so far and the last progress: what a restart counts from."""
        with self.db.write() as db:
            row = self.row(identifier)
            if row["attempt_ns"] is None:
                return
            db.conn.execute(
                f"UPDATE jobs SET used_s = ?, attempt_ns = ?, progress = ? "
                f"WHERE id = ? AND {_HOLDER}",
                [
                    used_seconds(row),
                    clock.monotonic_ns(),
                    json.dumps(self._progress(row)),
                    identifier,
                ],
            )

    def close_use(self, identifier: int, *, lived: bool) -> Row:
        """After a daemon's death: the time since the last commit counts only for a child that
        lived on. Nothing counts from here on. The row as it is then."""
        with self.db.write() as db:
            row = self.row(identifier)
            used = used_seconds(row) if lived else row["used_s"]
            db.conn.execute(
                "UPDATE jobs SET used_s = ?, attempt_ns = NULL, pid = NULL, pid_started = NULL "
                f"WHERE id = ? AND {_HOLDER}",
                [used, identifier],
            )
            return self.row(identifier)

    def last_progress(self, identifier: int, *, done: bool) -> str:
        """What stays as the progress of an ended job, as JSON."""
        told = dict(self._progress(self.row(identifier)))
        if done:
            told.update(fraction=1.0, eta_s=0.0, phase="done")
        return json.dumps(told)

    def _event(self, identifier: int, state: str, reason: str | None, detail: str) -> None:
        """Within the caller's transaction; the world hears of it once it is durable."""
        with self.db.write() as db:
            db.conn.execute(
                "INSERT INTO job_events (job_id, at, state, reason, detail) VALUES (?, ?, ?, ?, ?)",
                [identifier, time.time(), state, reason, detail],
            )
            self.db.after_commit(lambda: self._moved(identifier, state, reason, detail))

    def _moved(self, identifier: int, state: str, reason: str | None, detail: str) -> None:
        log.info(
            "job %d: %s%s", identifier, state, f" ({reason or detail})" * bool(reason or detail)
        )
        if state in ENDED:
            with self._told_lock:
                self._told.pop(identifier, None)
        self.changed.set()
        self._announce(identifier)

    def _announce(self, identifier: int) -> None:
        self._bus.publish("job", asdict(self.get(identifier)))


def _planned_rest(row: Row) -> float:
    """Seconds that a job still needs, as planned."""
    planned = json.loads(row["plan"]).get("seconds") or row["limit_s"]
    return float(max(min(planned, row["limit_s"]) - used_seconds(row), 0.0))
