"""Check: do trainings get done?"""

from __future__ import annotations

from appliance.care.check import Check
from appliance.jobs.job import FAILED, PAUSED, Job
from appliance.text import count

NAME = "queue"


def check(current: Job | None, waiting: int, last: Job | None) -> Check:
    """current: holds the slot; last: the newest that has ended."""
    if current is not None and current.state == PAUSED:
        why = current.detail or current.reason or "it goes on later"
        return Check(NAME, "ok", f"Job {current.id} is paused: {why}.")
    if last is not None and last.state == FAILED:
        return Check(
            NAME,
            "warning",
            f"The last training, job {last.id}, failed: {last.detail or last.reason}.",
            f"`earmark job {last.id}` shows its log; `earmark train` again when it is mended",
        )
    running = f"job {current.id} runs" if current else "nothing runs"
    return Check(NAME, "ok", f"{running[0].upper()}{running[1:]}, {count(waiting, 'job')} waiting.")
