"""The last candidates of each microphone that were not reported, and why: kept over a restart.

They come a few a minute where something nearly sounds like a label, so they are held in memory
and written together, at most once a minute and when the daemon ends: a power cut costs the last
minute of them.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

from appliance import clock
from appliance.errors import EarmarkError
from appliance.periodic import Periodic
from appliance.store.database import Database

log = logging.getLogger(__name__)

KEPT = 200  # of each microphone
WRITE_EVERY_S = 60.0


@dataclass(frozen=True)
class Rejection:
    """`at`: epoch seconds. `version`: whose scores they were."""

    at: float
    microphone: str
    label: str
    score: float
    reason: str
    version: str


@dataclass(frozen=True)
class _Kept:
    rejection: Rejection
    stamp: clock.Stamp


class Rejections:
    """Thread-safe. Without a database they are kept in memory alone."""

    def __init__(self, db: Database | None = None) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._of: dict[str, deque[_Kept]] = {}
        self._unwritten: deque[_Kept] = deque()
        self._periodic = Periodic("rejections", self.flush, WRITE_EVERY_S, first_s=WRITE_EVERY_S)

    def start(self) -> None:
        """Take up what an earlier daemon wrote, and write from now on."""
        if self._db is None:
            return
        with self._lock:
            for row in self._db.rows("SELECT * FROM rejections ORDER BY id"):
                self._keep(_from_row(row))
        self._periodic.start()

    def stop(self) -> None:
        """Write what is left."""
        self._periodic.stop()
        self.flush()

    def add(self, microphone: str, label: str, score: float, reason: str, version: str) -> None:
        stamp = clock.now()
        found = Rejection(stamp.wall, microphone, label, round(score, 4), reason, version)
        with self._lock:
            kept = _Kept(found, stamp)
            self._keep(kept)
            if self._db is not None:
                self._unwritten.append(kept)

    def last(self, microphone: str | None = None, most: int | None = None) -> list[Rejection]:
        """The newest `most` of one microphone, or of each, the oldest first."""
        with self._lock:
            parts = [
                list(kept)[-(most or KEPT) :]
                for name, kept in self._of.items()
                if microphone in (None, name)
            ]
        present = clock.now()
        found = [_dated(one, present) for part in parts for one in part]
        return sorted(found, key=lambda one: one.at)

    def forget(self, microphone: str) -> None:
        """It was removed, and what it nearly heard goes with it."""
        with self._lock:
            self._of.pop(microphone, None)
            self._unwritten = deque(
                kept for kept in self._unwritten if kept.rejection.microphone != microphone
            )
        if self._db is not None:
            with self._db.write() as tx:
                tx.conn.execute("DELETE FROM rejections WHERE microphone = ?", (microphone,))

    def flush(self) -> None:
        """Write what is new, in one transaction; it waits in memory when that fails."""
        if self._db is None:
            return
        with self._lock:
            fresh = list(self._unwritten)
            self._unwritten.clear()
        if not fresh:
            return
        try:
            with self._db.write() as tx:
                tx.conn.executemany(
                    "INSERT INTO rejections (microphone, label, score, reason, version, at,"
                    " boot_id, monotonic_ns, clock_synced) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    [_row_of(kept) for kept in fresh],
                )
                for microphone in {kept.rejection.microphone for kept in fresh}:
                    tx.conn.execute(
                        "DELETE FROM rejections WHERE microphone = :it AND id <= (SELECT id FROM"
                        " rejections WHERE microphone = :it ORDER BY id DESC LIMIT 1 OFFSET :kept)",
                        {"it": microphone, "kept": KEPT},
                    )
        except EarmarkError as error:
            log.warning("what was nearly reported waits in memory: %s", error)
            with self._lock:
                self._unwritten.extendleft(reversed(fresh))
                while len(self._unwritten) > KEPT * max(1, len(self._of)):
                    self._unwritten.popleft()

    def _keep(self, kept: _Kept) -> None:
        self._of.setdefault(kept.rejection.microphone, deque(maxlen=KEPT)).append(kept)


def _dated(kept: _Kept, present: clock.Stamp) -> Rejection:
    """Its time by what the wall clock says now: it may have been set since."""
    if kept.stamp.boot_id != present.boot_id:
        return kept.rejection
    wall = present.wall - (present.monotonic_ns - kept.stamp.monotonic_ns) / 1e9
    return replace(kept.rejection, at=wall)


def _row_of(kept: _Kept) -> tuple[Any, ...]:
    present = clock.now()
    one = _dated(kept, present)
    facts = (one.microphone, one.label, one.score, one.reason, one.version, one.at)
    return (*facts, present.boot_id, kept.stamp.monotonic_ns, int(present.clock_synced))


def _from_row(row: dict[str, Any]) -> _Kept:
    names = ("at", "microphone", "label", "score", "reason", "version")
    stamp = clock.Stamp(row["boot_id"], row["monotonic_ns"], row["at"], bool(row["clock_synced"]))
    return _Kept(Rejection(**{name: row[name] for name in names}), stamp)
