"""The last moves of a job: save the best model, publish it, write the end down."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from pathlib import Path

from appliance.errors import InvalidInput
from appliance.jobs import bundle
from appliance.jobs.job import BY_HAND, COMPLETED, CRASHED, IN_SLOT, used_seconds
from appliance.jobs.outcome import Verdict, end_state
from appliance.jobs.table import JobTable
from appliance.models.result import Result
from appliance.models.version import Version
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Row

log = logging.getLogger(__name__)

MOST_SALVAGES = 3


class Ending:
    """`salvage(row, path)` runs the child that makes a result of the newest good checkpoint;
    `stopping()` is true while the daemon stops and has no time for that; `windows_missed()`
    counts what listening lost since this attempt began."""

    def __init__(
        self,
        table: JobTable,
        versions: Versions,
        folder: DataFolder,
        salvage: Callable[[Row, Path], int | None],
        stopping: Callable[[], bool],
        windows_missed: Callable[[], int],
    ) -> None:
        self._table = table
        self._versions = versions
        self._folder = folder
        self._salvage_child = salvage
        self._stopping = stopping
        self._windows_missed = windows_missed

    def conclude(self, identifier: int, verdict: Verdict) -> None:
        """End the job with `verdict`, unless a cancel was committed before it. While the daemon
        stops, a job that has something to salvage stays in the slot, its verdict committed."""
        path = self._folder.job(identifier)
        row = self._table.row(identifier)
        result = verdict.result
        if result is None and self._can_salvage(path, identifier):
            if row["cancel_requested"] and row["reason"] is None:
                verdict = Verdict(BY_HAND, row["detail"])
            if self._stopping():
                if row["reason"] is None:
                    self._table.note_verdict(identifier, verdict.reason, verdict.detail)
                return
            result = self._salvage(path, row, verdict)
            if result is None and self._stopping():
                return
        if self._end(identifier, verdict, result) is not None:
            bundle.forget_checkpoints(path)

    def sweep(self) -> None:
        """At start: checkpoints of jobs whose version was published have served."""
        for path in self._folder.jobs.glob("*/" + bundle.CHECKPOINTS):
            row = self._table.db.row(
                "SELECT version, state FROM jobs WHERE id = ?", [path.parent.name]
            )
            if row and row["version"] and row["state"] not in IN_SLOT:
                bundle.forget_checkpoints(path.parent)

    def _can_salvage(self, path: Path, identifier: int) -> bool:
        return (
            self._versions.of_job(identifier) is None
            and bundle.has_checkpoint(path)
            and self._table.verdicts(identifier) < MOST_SALVAGES
        )

    def _salvage(self, path: Path, row: Row, verdict: Verdict) -> Result | None:
        identifier = row["id"]
        self._table.note_verdict(identifier, verdict.reason, verdict.detail)
        self._table.tell(identifier, {"fraction": 1.0, "eta_s": 0.0, "phase": "saving the model"})
        bundle.discard_result(path)
        try:
            status = self._salvage_child(row, path)
        except OSError as error:
            log.error("job %d: nothing could be salvaged: %s", identifier, error)
            return None
        result, problem = bundle.read_result(path)
        if result is None and not self._stopping():
            log.error("job %d: nothing was salvaged (status %s): %s", identifier, status, problem)
        return result

    def _end(self, identifier: int, verdict: Verdict, result: Result | None) -> Version | None:
        """One transaction: the version and the job's last state."""
        with self._table.db.write():
            row = self._table.row(identifier)
            reason, detail = verdict.reason, verdict.detail
            if row["cancel_requested"] and row["reason"] is None:
                reason, detail = BY_HAND, row["detail"]  # committed before this transaction
            used = used_seconds(row)
            version = self._versions.of_job(identifier)
            if version is None and result is not None:
                try:
                    version = self._versions.publish(
                        result.path,
                        job=identifier,
                        dataset_version=row["dataset_version"],
                        parent=row["from_version"],
                        stopped=reason,
                        seconds=used,
                        windows_missed=self._windows_missed(),
                    )
                except InvalidInput as error:
                    reason, detail = CRASHED, f"the result cannot be used: {error}"
            state = end_state(reason, has_version=version is not None)
            if version is not None and state != COMPLETED:
                detail = "; ".join(filter(None, [detail, f"the best model is {version.name}"]))
            self._table.move(
                identifier,
                row["state"],
                state,
                reason=reason,
                detail=detail,
                version=version.name if version else None,
                progress=self._table.last_progress(identifier, done=state == COMPLETED),
                ended_at=time.time(),
                used_s=used,
                attempt_ns=None,
                pid=None,
                pid_started=None,
            )
        return version
