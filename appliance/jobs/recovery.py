"""What to do with a job that a dead daemon left in the slot."""

from __future__ import annotations

import logging
from pathlib import Path

from appliance import clock
from appliance.jobs.bundle import read_error, read_result
from appliance.jobs.job import BY_HAND, INTERRUPTED, MOST_RESUMES, TIME_LIMIT
from appliance.jobs.outcome import Verdict, verdict_of_error
from appliance.jobs.process import end_stranger
from appliance.models.version import Version
from appliance.store.database import Row

log = logging.getLogger(__name__)


def end_leftover(path: Path, row: Row) -> bool:
    """End the child of a dead daemon that works on the job folder `path`, if it lives; whether it
    did.

    A copy of a data folder knows the child of the box that it was copied from, which goes on.
    After a restart of the device no process is looked for: its number may be anybody's now. A row
    without a pid had no child that was allowed to begin.
    """
    if row["boot_id"] != clock.boot_id() or row["pid"] is None:
        return False
    lived = end_stranger(row["pid"], row["pid_started"], path)
    if lived:
        log.warning("job %d: ended the training of a dead daemon", row["id"])
    return lived


def settle(path: Path, row: Row, version: Version | None) -> Verdict | None:
    """The end that an interrupted job has already reached, or None when it may go on.

    `version`: what it has published, when only the row was not written any more.
    """
    result, _ = read_result(path)
    if row["reason"] is not None:
        return Verdict(row["reason"], row["detail"], result)
    if version is not None:
        return Verdict(version.stopped, "", None)
    # A result that was forced by a stop of the daemon is less than the training can reach.
    if result is not None and result.stopped != BY_HAND:
        return Verdict(result.stopped, "", result)
    if row["cancel_requested"]:
        return Verdict(BY_HAND, row["detail"], result)
    if row["used_s"] >= row["limit_s"]:
        return Verdict(TIME_LIMIT, "the time was used up when the daemon ended", result)
    if said := read_error(path):
        return verdict_of_error(said)
    if row["attempts"] > MOST_RESUMES:
        return Verdict(
            INTERRUPTED,
            f"interrupted {row['attempts']} times; the training may be too much for this device",
            result,
        )
    return None


def how_interrupted(row: Row) -> str:
    """One line for people."""
    if row["boot_id"] != clock.boot_id():
        return "the device restarted; goes on from its checkpoint"
    return "the daemon died; goes on from its checkpoint"
