"""The thread that owns the slot: takes the next job, starts its child, names its end.

At a start it first settles the job that a dead daemon left in the slot. Whatever happens to a
training, its job ends in a named state with a reason, the best model is kept, the queue goes on.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

from appliance.errors import EarmarkError
from appliance.jobs import bundle
from appliance.jobs.ending import Ending
from appliance.jobs.job import BY_HAND, CRASHED, INTERRUPTED, QUEUED, used_seconds
from appliance.jobs.outcome import Verdict, judge
from appliance.jobs.process import Child, clean_environment
from appliance.jobs.queue import Queue
from appliance.jobs.recovery import end_leftover, how_interrupted, settle
from appliance.jobs.supervision import STOPPING, End, Supervision, wait_for_salvage
from appliance.jobs.tidy import tidy
from appliance.paths import DataFolder
from appliance.settings import Settings
from appliance.store.database import Row

log = logging.getLogger(__name__)

WORKER = (sys.executable, "-m", "appliance.training.worker")
SALVAGE_S = 120.0
_IDLE_S = 5.0
_RETRY_S = 2.0
_STOP_S = 9.0


class Runner:
    """One per daemon. `worker` is the command that gets the job's folder as its argument;
    `windows_missed` says how many windows listening has lost since the daemon started."""

    def __init__(
        self,
        queue: Queue,
        folder: DataFolder,
        settings: Settings,
        *,
        worker: Sequence[str] = WORKER,
        windows_missed: Callable[[], int] = lambda: 0,
    ) -> None:
        self._queue = queue
        self._table = queue.table
        self._folder = folder
        self._settings = settings
        self._worker = tuple(worker)
        self._windows_missed = windows_missed
        self._missed_before = 0  # when the running attempt began
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._watched: Supervision | None = None
        self._verdict: tuple[int, Verdict] | None = None
        self._ending = Ending(
            self._table,
            queue.versions,
            folder,
            self._salvage,
            self._stopping.is_set,
            lambda: windows_missed() - self._missed_before,
        )

    def use(self, settings: Settings) -> None:
        """Of the next training."""
        self._settings = settings

    def start(self) -> None:
        """Complete publications that were cut short, then go on with the queue on a thread."""
        self._queue.versions.recover()
        self._ending.sweep()
        self._tidy()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._loop, name="training", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the child; its job goes on from its checkpoint at the next start, uncounted."""
        self._stopping.set()
        self._table.changed.set()
        if self._thread is not None:
            self._thread.join(_STOP_S)
            if self._thread.is_alive():
                log.error("the training's thread does not end; its child ends with the daemon")
            self._thread = None

    def pause(self, why: str, by: str = "") -> bool:
        """Hold the running training, which costs it no time; False when none runs. `by`: who holds
        it; it goes on when all have let go."""
        watched = self._watched
        if watched is not None:
            watched.pause(why, by)
        return watched is not None

    def resume(self, by: str = "") -> None:
        """Let a held training go on, as far as `by` is concerned."""
        if (watched := self._watched) is not None:
            watched.resume(by)

    # --- the loop --------------------------------------------------------------------------------

    def _loop(self) -> None:
        while not self._stopping.is_set():
            self._table.changed.clear()
            try:
                busy = self._step()
            except Exception:
                # A full disk, for one: the job still holds the slot, and is settled next time.
                log.exception("the queue cannot go on; trying again in %.0f s", _RETRY_S)
                self._stopping.wait(_RETRY_S)
                continue
            if not busy and not self._stopping.is_set():
                self._table.changed.wait(_IDLE_S)

    def _step(self) -> bool:
        """Settle what is in the slot, else train the next job; False when nothing waits."""
        if self._verdict is not None:
            self._conclude(*self._verdict)
        elif held := self._table.holder():
            self._settle(held)
        elif row := self._table.take():
            self._train(row)
        else:
            return False
        return True

    def _settle(self, held: Row) -> None:
        identifier = held["id"]
        how = how_interrupted(held)
        path = self._folder.job(identifier)
        row = self._table.close_use(identifier, lived=end_leftover(path, held))
        verdict = settle(path, row, self._queue.versions.of_job(identifier))
        if verdict is None:
            self._put_back(row, INTERRUPTED, how)
        else:
            self._conclude(identifier, verdict)

    def _train(self, row: Row) -> None:
        identifier = row["id"]
        self._missed_before = self._windows_missed()
        try:
            path = self._write_bundle(row)
            child = self._spawn(row, path)
        except (EarmarkError, OSError) as error:
            log.exception("job %d could not be started", identifier)
            self._conclude(
                identifier, Verdict(CRASHED, f"the training could not be started: {error}")
            )
            return
        try:
            if not self._table.row(identifier)["cancel_requested"]:
                child.release()
            self._watched = Supervision(
                self._table, row, path, child, self._settings, self._stopping
            )
            end = self._watched.watch()
        finally:
            self._watched = None
            child.end()
        self._after(identifier, path, end)

    def _after(self, identifier: int, path: Path, end: End) -> None:
        asked = None if end.asked == STOPPING else end.asked
        verdict = judge(path, end.status, asked=asked, memory_struck=end.memory_struck)
        if end.asked == STOPPING and (verdict.result is None or verdict.result.stopped == BY_HAND):
            # Not at its end: what it said when it was told to stop is less than it can reach.
            row = self._table.row(identifier)
            self._put_back(row, None, "the daemon stopped; goes on at its next start")
            return
        self._conclude(identifier, verdict)

    def _put_back(self, row: Row, reason: str | None, detail: str) -> None:
        """Back to the queue, where it is first. A stop of the daemon counts as no attempt. A
        cancel that came first stays in the slot, to be settled."""
        self._table.move(
            row["id"],
            row["state"],
            QUEUED,
            reason=reason,
            detail=detail,
            unless_cancelled=True,
            used_s=used_seconds(row),
            attempt_ns=None,
            pid=None,
            pid_started=None,
            attempts=row["attempts"] - (reason is None),
        )

    def _conclude(self, identifier: int, verdict: Verdict) -> None:
        # Kept until it is committed: a full disk must not turn a crash into an interruption.
        self._verdict = (identifier, verdict)
        self._ending.conclude(identifier, verdict)
        self._verdict = None
        self._look_back(identifier)

    def _look_back(self, identifier: int) -> None:
        try:
            self._queue.note_speed(identifier)
        except (EarmarkError, OSError) as error:
            log.warning("how fast job %d was is not known: %s", identifier, error)
        self._tidy()

    def _tidy(self) -> None:
        try:
            tidy(self._table.db, self._folder, self._settings.training)
        except (EarmarkError, OSError) as error:
            log.warning("folders of ended trainings stay: %s", error)

    # --- children --------------------------------------------------------------------------------

    def _write_bundle(self, row: Row) -> Path:
        initial = None
        if row["from_version"]:
            self._queue.versions.get(row["from_version"])
            initial = self._queue.versions.path(row["from_version"]) / "model.safetensors"
        dataset = self._queue.datasets.manifest(row["dataset_version"])
        return bundle.write_bundle(
            self._folder, row, dataset, initial_weights=initial, threads=self._threads()
        )

    def _spawn(self, row: Row, path: Path, *options: str) -> Child:
        """A child behind its gate, committed; the caller releases it."""
        child = Child(
            [*self._worker, str(path), *options],
            log_file=path / bundle.LOG,
            nice=self._settings.training.nice,
            environment=clean_environment(os.environ, self._threads()),
        )
        try:
            self._table.note_child(row["id"], child.pid, child.started)
        except BaseException:
            child.end()
            raise
        return child

    def _salvage(self, row: Row, path: Path) -> int | None:
        child = self._spawn(row, path, "--salvage")
        try:
            child.release()
            return wait_for_salvage(child, SALVAGE_S, self._stopping)
        finally:
            child.end()

    def _threads(self) -> int:
        return self._settings.training.threads or len(os.sched_getaffinity(0))
