"""A job: one training in the queue. Its states, the moves between them, and the reasons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance import clock

QUEUED, STARTING, RUNNING, PAUSED = "queued", "starting", "running", "paused"
COMPLETED, FAILED, CANCELLED = "completed", "failed", "cancelled"
IN_SLOT = (STARTING, RUNNING, PAUSED)
"""The states that hold the device's one slot; the database allows a single row in them."""
ENDED = (COMPLETED, FAILED, CANCELLED)
STATES = (QUEUED, *IN_SLOT, *ENDED)

CONVERGED, TIME_LIMIT, BY_HAND = "converged", "time limit", "cancelled"
CRASHED, OUT_OF_MEMORY, DIVERGED = "crashed", "out of memory", "diverged"
INTERRUPTED = "interrupted"
REASONS = (CONVERGED, TIME_LIMIT, BY_HAND, CRASHED, OUT_OF_MEMORY, INTERRUPTED, DIVERGED)

MOVES = frozenset(
    {
        (QUEUED, STARTING),
        (QUEUED, CANCELLED),
        (STARTING, RUNNING),
        (RUNNING, PAUSED),
        (PAUSED, RUNNING),
        # Back to the queue: the daemon stopped or died, and the checkpoint is there.
        *((state, QUEUED) for state in IN_SLOT),
        *((state, end) for state in IN_SLOT for end in ENDED),
    }
)
"""Every move that a job may make. An ended job never moves again."""

MOST_RESUMES = 3
"""An interrupted job goes on from its checkpoint at most so often."""


@dataclass(frozen=True)
class Job:
    """One job for people. Times are epoch seconds, `limit_s` and `used_s` seconds of training.

    `reason` stands beside the state: why it ended, or why it waits again. `progress` is the last
    that the training said (fraction 0 to 1, eta_s, phase, step, steps, loss, accuracy); `position`
    (1 is next) and `expected_start` are for jobs that wait. `attempts` counts starts, without
    those that a stop of the daemon ended.
    """

    id: int
    state: str
    reason: str | None
    detail: str
    flavor: str
    max_minutes: int
    limit_s: float
    dataset_version: str
    from_version: str | None
    version: str | None
    submitted_at: float
    started_at: float | None
    ended_at: float | None
    used_s: float
    attempts: int
    progress: dict[str, Any] | None
    plan: dict[str, Any]
    position: int | None
    expected_start: float | None
    author: str
    cancel_requested: bool


def used_seconds(row: Mapping[str, Any]) -> float:
    """Seconds of training that a row of `jobs` has had, over all attempts, pauses excluded.

    The committed seconds, and what has passed on CLOCK_BOOTTIME since this attempt began.
    """
    used = float(row["used_s"])
    if row["attempt_ns"] is not None and row["boot_id"] == clock.boot_id():
        used += max(0.0, (clock.monotonic_ns() - row["attempt_ns"]) / 1e9)
    return used


def job_from_row(
    row: Mapping[str, Any],
    *,
    progress: dict[str, Any] | None = None,
    position: int | None = None,
    expected_start: float | None = None,
) -> Job:
    """`progress`: fresher than the row's, when the training has just spoken."""
    told = progress or json.loads(row["progress"])
    return Job(
        id=row["id"],
        state=row["state"],
        reason=row["reason"],
        detail=row["detail"],
        flavor=row["flavor"],
        max_minutes=row["max_minutes"],
        limit_s=row["limit_s"],
        dataset_version=row["dataset_version"],
        from_version=row["from_version"],
        version=row["version"],
        submitted_at=row["submitted_at"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        used_s=used_seconds(row),
        attempts=row["attempts"],
        progress=told or None,
        plan=json.loads(row["plan"]),
        position=position,
        expected_start=expected_start,
        author=row["author"],
        cancel_requested=bool(row["cancel_requested"]),
    )
