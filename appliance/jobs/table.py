"""The table of jobs: the only ways to move a job from state to state.

A move is one UPDATE that names the state it leaves, with its event in the same transaction. When
two want to move one job, the first to commit wins and the other is told so.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from dataclasses import asdict
from typing import Any

from appliance import clock
from appliance.events import EventBus
from appliance.jobs.job import (
    BY_HAND,
    CANCELLED,
    ENDED,
    MOVES,
    PAUSED,
    QUEUED,
    STARTING,
    Job,
    used_seconds,
)
from appliance.jobs.reading import HOLDER, JobReader
from appliance.store.database import Database, Row

log = logging.getLogger(__name__)


class JobTable(JobReader):
    """Reads and moves jobs; thread-safe."""

    def __init__(self, db: Database, bus: EventBus) -> None:
        super().__init__(db)
        self._bus = bus
        self.changed = threading.Event()
        """Set when a job was added, cancelled or ended: the runner waits on it."""

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
                    f"UPDATE jobs SET cancel_requested = 1, detail = ? WHERE id = ? AND {HOLDER} "
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
                f"UPDATE jobs SET pid = ?, pid_started = ? WHERE id = ? AND {HOLDER}",
                [pid, pid_started, identifier],
            )

    def note_verdict(self, identifier: int, reason: str, detail: str) -> None:
        """Commit how the training ended, while its best model is still being saved."""
        with self.db.write() as db:
            row = self.row(identifier)
            db.conn.execute(
                f"UPDATE jobs SET reason = ?, detail = ?, used_s = ?, attempt_ns = NULL "
                f"WHERE id = ? AND {HOLDER}",
                [reason, detail, used_seconds(row), identifier],
            )
            self._event(identifier, row["state"], reason, detail)

    def verdicts(self, identifier: int) -> int:
        """How often the end of this job was decided without reaching it."""
        row = self.db.row(
            f"SELECT count(*) AS n FROM job_events WHERE job_id = ? AND {HOLDER} "
            "AND reason IS NOT NULL",
            [identifier],
        )
        return int(row["n"]) if row else 0

    def note_hold(self, identifier: int, detail: str) -> None:
        """Commit why a paused job waits, once that is not what it was paused for."""
        with self.db.write() as db:
            db.conn.execute(
                "UPDATE jobs SET detail = ? WHERE id = ? AND state = ? AND cancel_requested = 0",
                [detail, identifier, PAUSED],
            )
            self.db.after_commit(lambda: self._announce(identifier))

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
                f"WHERE id = ? AND {HOLDER}",
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
                f"WHERE id = ? AND {HOLDER}",
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
