"""How did it end? From what a child left behind to a named state and reason."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path

from appliance.jobs.bundle import read_error, read_log, read_result
from appliance.jobs.job import (
    BY_HAND,
    CANCELLED,
    COMPLETED,
    CONVERGED,
    CRASHED,
    DIVERGED,
    FAILED,
    INTERRUPTED,
    OUT_OF_MEMORY,
    TIME_LIMIT,
)
from appliance.models.result import Result

VMSTAT = Path("/proc/vmstat")
KILLED_STATUS = 128 + signal.SIGKILL  # how a shell or container reports SIGKILL
_LAST_WORDS = 300
# The worker's format of a line of its log; "Fatal Python error: Segmentation fault".
_ERROR_LINE = re.compile(r"\S+ \S+ (?:ERROR|CRITICAL) \S+: (.+)|Fatal Python error: (.+)")


@dataclass(frozen=True)
class Verdict:
    """How a job ends: its reason and detail, and the result if the training left a whole one.

    Without one, the newest checkpoint is made into one where there is any.
    """

    reason: str
    detail: str
    result: Result | None = None


def end_state(reason: str, *, has_version: bool) -> str:
    """The state that goes with a reason."""
    if reason == BY_HAND:
        return CANCELLED
    if reason == CONVERGED or (reason == TIME_LIMIT and has_version):
        return COMPLETED
    return FAILED


class MemoryWatch:
    """Did the kernel kill for want of memory while a child ran?

    The counter of the whole device: our child is the first to be chosen (oom_score_adj), so a
    child that died by a SIGKILL that we did not send, while the counter grew, is the victim.
    """

    def __init__(self, vmstat: Path = VMSTAT) -> None:
        self._vmstat = vmstat
        self._before = self._count()

    def struck(self) -> bool:
        return self._count() > self._before

    def _count(self) -> int:
        try:
            for line in self._vmstat.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
        except OSError:
            return 0  # a kernel without it: such an end is called a crash
        return 0


def judge(path: Path, status: int, *, asked: str | None, memory_struck: bool) -> Verdict:
    """The verdict on a child that ended with `status` (negative: a signal).

    `asked`: what the runner asked it to end for, "cancelled" or "time limit", or None.
    """
    result, problem = read_result(path)
    if asked is not None:
        return Verdict(asked, "" if result else "it did not end when asked", result)
    if result is not None:
        if result.stopped != BY_HAND:
            return Verdict(result.stopped, "", result)
        return Verdict(INTERRUPTED, "somebody else told the training to end", result)
    if said := read_error(path):
        return verdict_of_error(said)
    killed = status in (-signal.SIGKILL, KILLED_STATUS)
    if killed and memory_struck:
        return Verdict(
            OUT_OF_MEMORY,
            "the kernel ended the training because memory ran out: "
            "close other programs, or train on fewer clips",
        )
    if status == 0:
        return Verdict(CRASHED, f"the training ended without a whole result: {problem}")
    return Verdict(CRASHED, f"{_manner(status)}; see the job's log{_last_words(path)}")


def verdict_of_error(said: dict[str, str]) -> Verdict:
    """What a training says about its own failure."""
    known = said["reason"] in (OUT_OF_MEMORY, DIVERGED, CRASHED)
    text = ": ".join(part for part in (said["detail"], said["advice"]) if part)
    return Verdict(said["reason"] if known else CRASHED, text or "see the job's log")


def _manner(status: int) -> str:
    if status < 0:
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"the training was ended by {name}"
    return f"the training ended with status {status}"


def _last_words(path: Path) -> str:
    """The newest error in the log, ready to follow a sentence: a line of the level ERROR or above,
    the interpreter's own, or the last line of a traceback. What it was doing is no error."""
    said, in_traceback = "", False
    for line in read_log(path).splitlines():
        if line.startswith("Traceback "):
            in_traceback = True
        elif in_traceback and line.strip() and not line[0].isspace():
            said, in_traceback = line, False
        elif found := _ERROR_LINE.match(line):
            said = found[1] or found[2]
    return f": {said.strip()[:_LAST_WORDS]}" if said else ""
