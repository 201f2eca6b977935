"""The queue of trainings: one slot for the whole device, first come, first served."""

from __future__ import annotations

import json
from statistics import median
from typing import Any

from appliance.errors import Conflict, NotFound
from appliance.events import EventBus
from appliance.jobs import bundle
from appliance.jobs.job import ENDED, Job
from appliance.jobs.progress import reached_speed, read_curve
from appliance.jobs.reading import JobPage
from appliance.jobs.specification import (
    DEFAULT_MINUTES,
    FREE,
    Specification,
    limit_seconds,
    plan_for,
    trained_on,
)
from appliance.jobs.table import JobTable
from appliance.library.datasets import Datasets
from appliance.library.plan import shorter
from appliance.library.readiness import readiness
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.settings import Settings
from appliance.store.database import Database, Row

REACHED = "reached_windows_per_second"
"""In the plan of an ended job: what it really reached, in windows of the longest kind."""
LOOKED_BACK = 20


class Queue:
    """What people may do with jobs. The runner does the rest through `table`."""

    def __init__(
        self,
        db: Database,
        folder: DataFolder,
        datasets: Datasets,
        versions: Versions,
        bus: EventBus,
        settings: Settings,
    ) -> None:
        self._db = db
        self._folder = folder
        self._settings = settings
        self.datasets = datasets
        self.versions = versions
        self.table = JobTable(db, bus)
        versions.guard(self._objection)

    def specification(
        self,
        max_minutes: int = DEFAULT_MINUTES,
        flavor: str = FREE,
        dataset_version: str | None = None,
        from_version: str | None = None,
    ) -> Specification:
        """What `submit` would do now, without doing it. A training that is not ready is shown
        with its reasons; raises InvalidInput and NotFound as `submit` does."""
        limit_s = limit_seconds(max_minutes, flavor)
        if from_version is not None:
            self.versions.get(from_version)
        name = self.datasets.suggested_name() if dataset_version is None else dataset_version
        self._folder.dataset(name)  # refuses what is no name
        existing = self._existing(name)
        state = readiness(self._db)
        plan = None
        if existing:
            plan = plan_for(self.datasets.manifest(name), limit_s, self._speed())
        elif state.ready:
            plan = plan_for(self.datasets.draft(), limit_s, self._speed())
        position, start = self.table.outlook()[1]
        return Specification(
            dataset_version=name,
            dataset_exists=existing,
            from_version=from_version,
            flavor=flavor,
            max_minutes=max_minutes,
            limit_s=limit_s,
            readiness=state,
            plan=plan,
            position=position,
            expected_start=start,
        )

    def submit(
        self,
        max_minutes: int = DEFAULT_MINUTES,
        flavor: str = FREE,
        dataset_version: str | None = None,
        from_version: str | None = None,
        idempotency_key: str | None = None,
        author: str = "",
    ) -> Job:
        """Publish the dataset version and queue its training, in one transaction.

        `dataset_version` names a new one, or one that exists and is trained on again. The same
        `idempotency_key` gives the same job. Raises InvalidInput for duration, flavor or name,
        NotFound for `from_version`, NotReady with every reason, Conflict for a key that was used
        for something else.
        """
        limit_s = limit_seconds(max_minutes, flavor)
        asked = {
            "flavor": flavor,
            "max_minutes": max_minutes,
            "from_version": from_version,
        }
        with self._db.write():
            if idempotency_key and (row := self._known(idempotency_key)):
                if any(row[name] != value for name, value in asked.items()) or (
                    dataset_version not in (None, row["dataset_version"])
                ):
                    raise Conflict(
                        f"this idempotency key was used for job {row['id']}, which asks for "
                        "something else",
                        "give each request a key of its own",
                    )
                return self.get(row["id"])
            if from_version is not None:
                self.versions.get(from_version)
            if dataset_version is not None and self._existing(dataset_version):
                name = dataset_version
            else:
                name = self.datasets.publish(dataset_version, author).name
            plan = plan_for(self.datasets.manifest(name), limit_s, self._speed())
            identifier = self.table.add(
                {
                    **asked,
                    "limit_s": limit_s,
                    "dataset_version": name,
                    "idempotency_key": idempotency_key,
                    "author": author,
                    "plan": json.dumps(plan),
                }
            )
        return self.get(identifier)

    def get(self, identifier: int) -> Job:
        """Raises NotFound."""
        return self.table.get(identifier)

    def all(self, limit: int = 50, cursor: str | None = None) -> JobPage:
        """The newest first."""
        return self.table.page(limit, cursor)

    def waiting(self) -> int:
        """How many jobs wait for the slot."""
        return self.table.outlook()[1][0] - 1

    def current(self) -> Job | None:
        """The job that holds the slot."""
        row = self.table.holder()
        return self.table.get(row["id"]) if row else None

    def cancel(self, identifier: int, author: str = "") -> Job:
        """Cancel a job that waits or runs; an ended one is returned as it is. Raises NotFound.

        A running one ends within seconds; its best model so far becomes a version.
        """
        return self.table.cancel(identifier, author)

    def events(self, identifier: int) -> list[dict[str, Any]]:
        """Each move of a job: at, state, reason, detail."""
        self.table.row(identifier)
        return self._db.rows(
            "SELECT at, state, reason, detail FROM job_events WHERE job_id = ? ORDER BY id",
            [identifier],
        )

    def progress(self, identifier: int) -> list[dict[str, Any]]:
        """The curve so far: t, elapsed_s, progress, phase, step, loss, accuracy, learning_rate."""
        self.table.row(identifier)
        return read_curve(self._folder.job(identifier) / bundle.PROGRESS)

    def log(self, identifier: int) -> str:
        """The end of what the training printed."""
        self.table.row(identifier)
        return bundle.read_log(self._folder.job(identifier))

    def note_speed(self, identifier: int) -> None:
        """Keep how fast the training of an ended job really was, for the plans of the next ones:
        beside what else the box did, which a look of a second at its start cannot know."""
        row = self.table.row(identifier)
        plan = json.loads(row["plan"])
        steps_a_second = reached_speed(self.progress(identifier))
        if steps_a_second is None or not plan.get("batch"):
            return
        per_window = shorter(*trained_on(self.datasets.manifest(row["dataset_version"])))
        plan[REACHED] = round(steps_a_second * plan["batch"] / per_window, 3)
        self.table.note_plan(identifier, plan)

    def _speed(self) -> float | None:
        """Windows (of the longest kind) a second that the last trainings reached on this device:
        the median of three, since one may have had the box to itself."""
        rows = self._db.rows(
            f"SELECT plan FROM jobs WHERE state IN {ENDED} ORDER BY id DESC LIMIT ?", [LOOKED_BACK]
        )
        speeds = [json.loads(row["plan"]).get(REACHED) for row in rows]
        known = [speed for speed in speeds if isinstance(speed, (int, float)) and speed > 0]
        return float(median(known[:3])) if known else None

    def _known(self, key: str) -> Row | None:
        return self._db.row("SELECT * FROM jobs WHERE idempotency_key = ?", [key])

    def _existing(self, name: str) -> bool:
        try:
            self.datasets.get(name)
        except NotFound:
            return False
        return True

    def _objection(self, version: str) -> Conflict | None:
        """Why a version must stay: a job that has not ended begins with its weights."""
        row = self._db.row(
            f"SELECT id FROM jobs WHERE from_version = ? AND state NOT IN {ENDED}", [version]
        )
        if row is None:
            return None
        return Conflict(
            f"job {row['id']} begins with the weights of {version}",
            f"wait for it, or `earmark cancel {row['id']}`",
        )
