"""Retention: when the disk is too full or sounds too old, the clips worth least go.

Candidates come in rounds of at most ROUND, read in batches by id, so that memory does not grow
with the library. Each clip is looked at again in the transaction that deletes it, since a person
may have marked or labelled it meanwhile. Its history keeps the tombstone.
"""

from __future__ import annotations

import heapq
import logging
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from appliance.care.value import WHY_LABELLED, Worth, worth
from appliance.errors import Conflict, EarmarkError
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.paths import DataFolder
from appliance.settings import RetentionSettings, Settings
from appliance.store.database import Database

log = logging.getLogger(__name__)

ROUND = 20_000
BATCH = 1000
AUTHOR = "retention"
EXAMPLES = 20
OLD = "older than retention.max_age_days"
# Before this the wall clock had not been set: the age of a clip means nothing.
CLOCK_IS_SET = 1_600_000_000.0
_FREE = "c.protected = 0 AND NOT EXISTS (SELECT 1 FROM dataset_clips d WHERE d.clip_id = c.id)"
_SELECT = (
    "SELECT c.id, c.size, c.extra, c.recorded_at, c.clock_synced, l.name AS label"
    " FROM clips c LEFT JOIN labels l ON l.id = c.label_id"
)


@dataclass(frozen=True)
class Going:
    """A clip that goes (or would), its size in bytes, and why."""

    clip: int
    bytes: int
    why: str


@dataclass(frozen=True)
class RetentionRun:
    """state: running, done or failed (`detail` says why); clips, bytes: gone so far, or what would
    go; wanted: bytes that must go to come down to the limit; failed: clips that could not be
    deleted; reasons: clips by reason; first: the first of them to go."""

    dry_run: bool
    state: str = "running"
    clips: int = 0
    bytes: int = 0
    wanted: int = 0
    failed: int = 0
    reasons: dict[str, int] = field(default_factory=dict)
    first: list[Going] = field(default_factory=list)
    detail: str = ""


class Retention:
    """Thread-safe; one run at a time. Topic `retention` on the bus: a RetentionRun."""

    def __init__(
        self,
        db: Database,
        clips: Clips,
        folder: DataFolder,
        settings: RetentionSettings,
        bus: EventBus,
    ) -> None:
        self._db = db
        self._clips = clips
        self._folder = folder
        self._settings = settings
        self._bus = bus
        self._lock = threading.Lock()
        self._latest: RetentionRun | None = None
        self._stop = threading.Event()
        self._wake = threading.Event()
        self._timer: threading.Thread | None = None
        self._runner: threading.Thread | None = None

    def use(self, settings: Settings) -> None:
        """Take up other limits while it runs: the next run goes by them. Another `every_h` counts
        from now."""
        self._settings = settings.retention
        self._wake.set()

    def start(self) -> None:
        self._timer = threading.Thread(target=self._every, name="retention", daemon=True)
        self._timer.start()

    def stop(self) -> None:
        """A run ends after the clip that it is at."""
        self._stop.set()
        self._wake.set()
        for thread in (self._timer, self._runner):
            if thread is not None:
                thread.join()

    def latest(self) -> RetentionRun | None:
        """The run at work, or the last one of this daemon's life."""
        return self._latest

    def begin(self, dry_run: bool = False) -> RetentionRun:
        """Start a run. Raises Conflict while one is at work."""
        with self._lock:
            if self._latest is not None and self._latest.state == "running":
                raise Conflict("retention is at work already", "wait for its end")
            self._latest = begun = RetentionRun(dry_run)
            self._runner = threading.Thread(target=self._run, args=[begun], daemon=True)
            self._runner.start()
            return begun

    def run(self, dry_run: bool = False, wanted: int | None = None) -> RetentionRun:
        """Run to the end on this thread. wanted: bytes to free; by the disk's use if not given."""
        return self._go(RetentionRun(dry_run), self._excess() if wanted is None else wanted)

    def _every(self) -> None:
        while not self._stop.is_set():
            every_h = self._settings.every_h
            if self._wake.wait(every_h * 3600 if every_h else None):
                self._wake.clear()
                continue
            try:
                self.begin()
            except Conflict:
                log.info("retention is at work already: the next look comes in its time")

    def _run(self, begun: RetentionRun) -> None:
        try:
            done = self._go(begun, self._excess())
        except Exception as error:
            # Whatever it was: a run that nobody ends would keep the next ones from beginning.
            log.exception("retention failed")
            done = replace(self._latest or begun, state="failed", detail=str(error))
            self._say(done)

    def _excess(self) -> int:
        """Bytes over the limit; use as `df` counts it, without what is reserved for root."""
        disk = shutil.disk_usage(self._folder.root)
        limit = self._settings.max_use_percent / 100 * (disk.used + disk.free)
        return max(0, round(disk.used - limit)) if self._settings.max_use_percent < 100 else 0

    def _go(self, run: RetentionRun, wanted: int) -> RetentionRun:
        run = replace(run, wanted=wanted)
        reasons: Counter[str] = Counter()
        first: list[Going] = []
        for going in self._plan(by_value=wanted > 0):
            if self._stop.is_set():
                run = replace(run, detail="the daemon stopped it")
                break
            if going.why != OLD and run.bytes >= wanted:
                break
            gone = run.dry_run or self._delete(going)
            if not gone:
                run = replace(run, failed=run.failed + 1)
                continue
            reasons[going.why] += 1
            if len(first) < EXAMPLES:
                first.append(going)
            run = replace(run, clips=run.clips + 1, bytes=run.bytes + going.bytes)
            if run.clips % BATCH == 0:
                self._say(replace(run, reasons=dict(reasons), first=list(first)))
        run = replace(run, state="done", reasons=dict(reasons), first=first)
        if run.clips and not run.dry_run:
            log.info("retention deleted %d clips, %d MB", run.clips, run.bytes // 1_000_000)
        self._say(run)
        return run

    def _say(self, run: RetentionRun) -> None:
        self._latest = run
        self._bus.publish("retention", asdict(run))

    def _plan(self, by_value: bool) -> Iterator[Going]:
        """In order: the too old, and then (by_value) everything else, the least worth first."""
        counts = {r["name"]: r["clips"] for r in self._db.rows("SELECT name, clips FROM labels")}
        oldest = time.time() - self._settings.max_age_days * 86_400
        for row in self._rows() if self._settings.max_age_days else ():
            if self._too_old(row, oldest):
                yield Going(row["id"], row["size"], OLD)
        after: Worth | None = None
        while by_value:
            ranked = (
                (worth(row, counts), row["size"])
                for row in self._rows()
                if not (self._settings.max_age_days and self._too_old(row, oldest))
            )
            found = heapq.nsmallest(
                ROUND, (pair for pair in ranked if after is None or pair[0] > after)
            )
            for value, size in found:
                yield Going(value.id, size, value.why)
            if len(found) < ROUND:
                return
            after = found[-1][0]

    @staticmethod
    def _too_old(row: dict[str, Any], oldest: float) -> bool:
        return bool(row["label"] is None and CLOCK_IS_SET < row["recorded_at"] < oldest)

    def _rows(self) -> Iterator[dict[str, Any]]:
        """Clips that nothing holds, in batches by id."""
        last = 0
        while rows := self._db.rows(
            f"{_SELECT} WHERE c.id > ? AND {_FREE} ORDER BY c.id LIMIT {BATCH}", (last,)
        ):
            yield from rows
            last = rows[-1]["id"]

    def _delete(self, going: Going) -> bool:
        """False when something holds it by now, or when it cannot be deleted: the others go on."""
        identifier = going.clip
        try:
            with self._db.write():
                free = f"SELECT 1 FROM clips c WHERE c.id = ? AND {_FREE}"
                if going.why != WHY_LABELLED:
                    free += " AND c.label_id IS NULL"
                if self._db.row(free, (identifier,)) is None:
                    return False
                self._clips.delete(identifier, AUTHOR)
        except (EarmarkError, OSError, sqlite3.DatabaseError) as error:
            log.warning("clip %d could not be deleted: %s", identifier, error)
            return False
        return True
