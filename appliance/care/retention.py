"""Retention: when the disk is too full or sounds too old, the clips worth least go.

The clips are ranked in one pass (`value.py`) and deleted in batches, a transaction each. Their
history keeps the tombstones.

What a person labelled goes only where that brings the disk down to its limit: where others fill it,
losing the labels would gain nothing. Either way it is said.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from itertools import takewhile

from appliance.care.notices import Notices
from appliance.care.value import FREE, WHY_LABELLED, clips_of, ranked
from appliance.errors import Conflict, EarmarkError
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.logs import AUDIT
from appliance.paths import DataFolder
from appliance.periodic import Periodic
from appliance.settings import RetentionSettings, Settings
from appliance.store.database import Database

log = logging.getLogger(__name__)
audit = logging.getLogger(AUDIT)

TOGETHER = 50
"""Clips deleted in one transaction: one fsync for all of them, and none waits long for it."""
READ = 500
TELL_EVERY = 1000
PAUSE_S = 0.002
AUTHOR = "retention"
EXAMPLES = 20
OTHERS = (
    "other things than clips fill the disk beyond retention.max_use_percent, so what a person"
    " labelled stays"
)
OLD = "older than retention.max_age_days"
# Before this the wall clock had not been set: the age of a clip means nothing.
CLOCK_IS_SET = 1_600_000_000.0
_TOO_OLD = "c.label_id IS NULL AND c.recorded_at > ? AND c.recorded_at < ?"


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
        notices: Notices | None = None,
    ) -> None:
        self._db = db
        self._clips = clips
        self._folder = folder
        self._settings = settings
        self._bus = bus
        self._notices = notices
        self._lock = threading.Lock()
        self._latest: RetentionRun | None = None
        self._runner: threading.Thread | None = None
        self._periodic = Periodic("retention", self._turn, self._wait_s, first_s=self._wait_s)
        self._wait_anew = threading.Event()
        self.start = self._periodic.start

    def use(self, settings: Settings) -> None:
        """Take up other limits while it runs: the next run goes by them. Another `every_h` counts
        from now."""
        self._settings = settings.retention
        self._wait_anew.set()
        self._periodic.wake()

    def stop(self) -> None:
        """A run ends after the clips that it is at."""
        self._periodic.stop()
        if self._runner is not None:
            self._runner.join()

    def latest(self) -> RetentionRun | None:
        """The run at work, or the last one of this daemon's life."""
        return self._latest

    def begin(self, dry_run: bool = False, author: str = AUTHOR) -> RetentionRun:
        """Start a run, which stands in the audit log when it has ended. Raises Conflict while one
        is at work."""
        with self._lock:
            if self._latest is not None and self._latest.state == "running":
                raise Conflict("retention is at work already", "wait for its end")
            self._latest = begun = RetentionRun(dry_run)
            self._runner = threading.Thread(target=self._run, args=[begun, author], daemon=True)
            self._runner.start()
            return begun

    def run(self, dry_run: bool = False, wanted: int | None = None) -> RetentionRun:
        """Run to the end on this thread. wanted: bytes to free; by the disk's use if not given."""
        if wanted is None:
            return self._by_use(RetentionRun(dry_run))
        return self._go(RetentionRun(dry_run), wanted)

    def _wait_s(self) -> float | None:
        every_h = self._settings.every_h
        return every_h * 3600 if every_h else None

    def _turn(self) -> None:
        if self._wait_anew.is_set():  # woken by `use`
            self._wait_anew.clear()
            return
        try:
            self.begin()
        except Conflict:
            log.info("retention is at work already: the next look comes in its time")

    def _run(self, begun: RetentionRun, author: str) -> None:
        try:
            done = self._by_use(begun)
        except Exception as error:
            # Whatever it was: a run that nobody ends would keep the next ones from beginning.
            log.exception("retention failed")
            done = replace(self._latest or begun, state="failed", detail=str(error))
            self._say(done)
        what = "would-delete" if done.dry_run else "deleted"
        failed = f",failed:{done.failed}" if done.failed else ""
        audit.info(
            "RETENTION %s:%d,bytes:%d%s by %s: %d",
            what,
            done.clips,
            done.bytes,
            failed,
            author,
            500 if done.state == "failed" else 200,
        )

    def _excess(self) -> int:
        """Bytes over the limit; use as `df` counts it, without what is reserved for root."""
        disk = shutil.disk_usage(self._folder.root)
        limit = self._settings.max_use_percent / 100 * (disk.used + disk.free)
        return max(0, round(disk.used - limit)) if self._settings.max_use_percent < 100 else 0

    def _by_use(self, run: RetentionRun) -> RetentionRun:
        wanted = self._excess()
        [all_free] = self._db.rows(f"SELECT total(c.size) AS bytes FROM clips c WHERE {FREE}")
        others = wanted > all_free["bytes"]
        done = self._go(run, wanted, labelled_too=not others)
        labelled = done.reasons.get(WHY_LABELLED, 0)
        if self._notices is not None and not run.dry_run and (others or labelled):
            went = f"{done.clips} clips went, {labelled} of them labelled by a person"
            self._notices.give(
                "retention",
                "warning",
                f"{OTHERS[0].upper()}{OTHERS[1:]}." if others else f"The disk was full: {went}.",
                "free some space elsewhere, or raise retention.max_use_percent; `earmark clips"
                " keep` holds what must not go",
            )
        return done

    def _go(self, run: RetentionRun, wanted: int, labelled_too: bool = True) -> RetentionRun:
        """First the too old, all of them; then by value, until `wanted` bytes are free."""
        run = replace(run, wanted=wanted)
        count = _Count()
        oldest = time.time() - self._settings.max_age_days * 86_400
        old = (CLOCK_IS_SET, oldest) if self._settings.max_age_days else ()
        try:
            if old:
                self._let_go(run, count, self._too_old(oldest), None)
            if count.bytes < wanted:
                plan = self._by_value(old)
                if not labelled_too:
                    run = replace(run, detail=OTHERS)
                    plan = takewhile(lambda going: going.why != WHY_LABELLED, plan)
                self._let_go(run, count, plan, wanted)
        except _Stopped:
            run = replace(run, detail="the daemon stopped it")
        run = replace(count.so_far(run), state="done")
        if run.clips and not run.dry_run:
            log.info("retention deleted %d clips, %d MB", run.clips, run.bytes // 1_000_000)
        self._say(run)
        return run

    def _let_go(
        self, run: RetentionRun, count: _Count, plan: Iterator[Going], wanted: int | None
    ) -> None:
        told = count.clips
        while batch := list(_batch(plan, None if wanted is None else wanted - count.bytes)):
            if self._periodic.stopping():
                raise _Stopped
            gone = batch if run.dry_run else self._delete(batch)
            count.add(gone, failed=len(batch) - len(gone))
            if count.clips - told >= TELL_EVERY:
                told = count.clips
                self._say(count.so_far(run))
            if not run.dry_run:
                self._periodic.rest(PAUSE_S)  # whoever listens has its turn to write

    def _say(self, run: RetentionRun) -> None:
        self._latest = run
        self._bus.publish("retention", asdict(run))

    def _too_old(self, oldest: float) -> Iterator[Going]:
        """The oldest first."""
        at, last = CLOCK_IS_SET, 0
        while rows := self._db.rows(
            f"SELECT c.id, c.size, c.recorded_at FROM clips c WHERE {_TOO_OLD}"
            f" AND (c.recorded_at, c.id) > (?, ?) AND {FREE}"
            f" ORDER BY c.recorded_at, c.id LIMIT {READ}",
            (CLOCK_IS_SET, oldest, at, last),
        ):
            for row in rows:
                yield Going(row["id"], row["size"], OLD)
            at, last = rows[-1]["recorded_at"], rows[-1]["id"]

    def _by_value(self, old: tuple[float, ...]) -> Iterator[Going]:
        """The least worth first, without the too old."""
        for reasons in clips_of(ranked(self._db, _TOO_OLD if old else "", old), READ):
            marks = ",".join("?" * len(reasons))
            found = self._db.rows(
                f"SELECT id, size FROM clips WHERE id IN ({marks})", list(reasons)
            )
            sizes = {row["id"]: row["size"] for row in found}
            for clip, why in reasons.items():
                if clip in sizes:
                    yield Going(clip, sizes[clip], why)

    def _delete(self, batch: list[Going]) -> list[Going]:
        """Those that went. One that cannot be deleted does not keep the others."""
        try:
            return self._delete_together(batch)
        except (EarmarkError, OSError, sqlite3.DatabaseError) as error:
            if len(batch) == 1:
                log.warning("clip %d could not be deleted: %s", batch[0].clip, error)
                return []
        gone = []
        for going in batch:
            gone += self._delete([going])
        return gone

    def _delete_together(self, batch: list[Going]) -> list[Going]:
        """In one transaction, in which each is looked at again: a person may have marked or
        labelled it meanwhile."""
        marks = ",".join("?" * len(batch))
        with self._db.write():
            free = {
                row["id"]: row["label_id"] is not None
                for row in self._db.rows(
                    f"SELECT c.id, c.label_id FROM clips c WHERE c.id IN ({marks}) AND {FREE}",
                    [going.clip for going in batch],
                )
            }
            gone = [
                going
                for going in batch
                if going.clip in free and (going.why == WHY_LABELLED or not free[going.clip])
            ]
            self._clips.delete_many([going.clip for going in gone], AUTHOR)
        return gone


class _Count:
    """What a run has done so far."""

    def __init__(self) -> None:
        self.clips = self.bytes = self._failed = 0
        self._reasons: Counter[str] = Counter()
        self._first: list[Going] = []

    def add(self, gone: list[Going], failed: int) -> None:
        self.clips += len(gone)
        self.bytes += sum(going.bytes for going in gone)
        self._failed += failed
        self._reasons.update(going.why for going in gone)
        self._first += gone[: EXAMPLES - len(self._first)]

    def so_far(self, run: RetentionRun) -> RetentionRun:
        return replace(
            run,
            clips=self.clips,
            bytes=self.bytes,
            failed=self._failed,
            reasons=dict(self._reasons),
            first=list(self._first),
        )


class _Stopped(Exception):
    pass


def _batch(plan: Iterator[Going], missing: int | None) -> Iterator[Going]:
    """The next that go together: not more of them than bring `missing` bytes, if that is given."""
    for _ in range(TOGETHER):
        if missing is not None and missing <= 0:
            return
        going = next(plan, None)
        if going is None:
            return
        missing = None if missing is None else missing - going.bytes
        yield going
