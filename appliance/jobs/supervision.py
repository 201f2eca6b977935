"""Watching one training child from its first instant to its last."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import clock
from appliance.errors import Unavailable
from appliance.jobs import bundle
from appliance.jobs.job import BY_HAND, PAUSED, RUNNING, STARTING, TIME_LIMIT, used_seconds
from appliance.jobs.outcome import MemoryWatch
from appliance.jobs.process import Child
from appliance.jobs.progress import ProgressTail, line_to_progress, read_plan
from appliance.jobs.table import JobTable
from appliance.settings import Settings
from appliance.store.database import Row
from appliance.units import human_duration

log = logging.getLogger(__name__)

LOOK_S = 0.25
"""How often the child is looked at; so also the most frequent progress event."""

COMMIT_S = 5.0
"""How often progress and used time go to the disk."""

STOP_GRACE_S = 4.0
"""A stopping daemon waits so long for a child that is already ending."""

LATEST_S = 33.0
"""A child is killed at most so long after its limit; it is gone at most 35 s after it."""

_SLACK_S = 5.0
STOPPING = "stopping"


@dataclass(frozen=True)
class End:
    """`status` of the process (negative: a signal); `asked`: what it was asked to end for
    ("cancelled", "time limit", "stopping") or None."""

    status: int
    asked: str | None
    memory_struck: bool


class Supervision:
    """One child at work on one job. `pause` and `resume` may be called from any thread."""

    def __init__(
        self,
        table: JobTable,
        row: Row,
        path: Path,
        child: Child,
        settings: Settings,
        stopping: threading.Event,
    ) -> None:
        self._table = table
        self._id: int = row["id"]
        self._limit_s: float = row["limit_s"]
        self._path = path
        self._child = child
        self._grace_s = settings.training.grace_s
        self._stopping = stopping
        self._memory = MemoryWatch()
        self._tail = ProgressTail(path / bundle.PROGRESS, from_end=True)
        self._holds: dict[str, str] = {}
        self._noted: set[str] = set()  # who held it when its row last said why
        self._asked: str | None = None
        self._told_to_stop = False
        self._kill_at = float("inf")
        self._committed_at = clock.seconds()
        self._tenths = 0
        self._plan_known = False

    def pause(self, why: str, by: str = "") -> None:
        """Hold the training; the time does not count. It goes on when each of those who hold it
        (`by`) has let go: listening that has caught up must not end a pause for heat."""
        self._holds[by] = why or "paused"
        self._table.changed.set()

    def resume(self, by: str = "") -> None:
        self._holds.pop(by, None)
        self._table.changed.set()

    @property
    def _pause_wanted(self) -> str:
        """Why it shall be held, "" when nobody holds it."""
        return "; ".join(list(self._holds.values()))

    def watch(self) -> End:
        """Returns once the child is gone. It obeys cancel, limit, pause and the daemon's stop."""
        while (status := self._child.poll()) is None:
            self._table.changed.clear()
            row = self._table.row(self._id)
            self._press(row)
            self._pass_on(row)
            self._hold(row)
            self._table.changed.wait(LOOK_S)
        self._pass_on(self._table.row(self._id))
        return End(status, self._asked, self._memory.struck())

    def _press(self, row: Row) -> None:
        """Ask the child to end when there is a reason to; insist when it does not."""
        now = clock.seconds()
        # The child keeps the limit by itself; this is for one that does not.
        over = used_seconds(row) - self._limit_s
        kill_after = min(self._grace_s + _SLACK_S, LATEST_S)
        if self._stopping.is_set() and not self._told_to_stop:
            self._told_to_stop = True
            # SIGTERM would make it export what it has, as if that were the end. Its checkpoint is
            # durable, so the job loses seconds.
            grace = 0.0 if self._asked is None else STOP_GRACE_S
            self._asked = self._asked or STOPPING
            self._kill_at = min(self._kill_at, now + grace)
        elif self._asked is None and row["cancel_requested"]:
            self._ask(BY_HAND, now + self._grace_s)
        elif self._asked is None and over >= kill_after - self._grace_s:
            self._ask(TIME_LIMIT, now + self._grace_s)
        elif self._asked == BY_HAND and over >= kill_after:
            self._kill_at = now
        if now >= self._kill_at:
            self._child.kill()

    def _ask(self, why: str, kill_at: float) -> None:
        log.info("job %d: asking the training to end (%s)", self._id, why)
        self._asked, self._kill_at = why, kill_at
        self._child.terminate()

    def _hold(self, row: Row) -> None:
        """Pause or go on, as is wanted."""
        wanted = self._pause_wanted
        if self._asked is not None or row["cancel_requested"]:
            wanted = ""
        if wanted and row["state"] == RUNNING:
            self._child.pause()
            with self._tolerance():
                self._table.move(
                    self._id,
                    RUNNING,
                    PAUSED,
                    detail=wanted,
                    used_s=used_seconds(row),
                    attempt_ns=None,
                )
                self._noted = set(self._holds)
        elif wanted and row["state"] == PAUSED and set(self._holds) != self._noted:
            with self._tolerance():
                self._table.note_hold(self._id, wanted)
                self._noted = set(self._holds)
        elif not wanted and row["state"] == PAUSED:
            with self._tolerance():
                self._table.move(
                    self._id, PAUSED, RUNNING, detail="", attempt_ns=clock.monotonic_ns()
                )
                self._child.resume()

    def _pass_on(self, row: Row) -> None:
        """Tell what the child has said since the last look, and at times commit it."""
        if lines := self._tail.new():
            progress = line_to_progress(lines[-1])
            if row["state"] == STARTING:
                with self._tolerance():
                    self._table.move(self._id, STARTING, RUNNING)
            self._table.tell(self._id, progress)
            self._log(progress)
        now = clock.seconds()
        if now - self._committed_at >= COMMIT_S:
            self._committed_at = now
            with self._tolerance():
                self._table.commit_use(self._id)
        if not self._plan_known and (plan := read_plan(self._path / bundle.PLAN)):
            with self._tolerance():
                self._table.note_plan(self._id, plan)
                self._plan_known = True

    @contextlib.contextmanager
    def _tolerance(self) -> Iterator[None]:
        """A database that refuses for a while (a full disk) is no reason to end a training."""
        try:
            yield
        except Unavailable as error:
            log.warning("job %d trains on, but cannot be written down: %s", self._id, error)

    def _log(self, progress: dict[str, Any]) -> None:
        """A line each ten percent."""
        if (tenths := int(progress["fraction"] * 10)) > self._tenths:
            self._tenths = tenths
            left = human_duration(progress["eta_s"])
            log.info("job %d: %d %%, %s, %s left", self._id, tenths * 10, progress["phase"], left)


def wait_for_salvage(child: Child, seconds: float, stopping: threading.Event) -> int | None:
    """The status of a salvage; None when it took over `seconds` or the daemon stops. The child
    may live on then: the caller ends it."""
    deadline = clock.seconds() + seconds
    while (status := child.poll()) is None:
        if clock.seconds() > deadline or stopping.wait(LOOK_S):
            return None
    return status
