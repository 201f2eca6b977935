"""kill -9 of the process that runs the queue, in each state of a job; and its clean stop."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.jobs.process import start_ticks
from tests.jobs.house import House, until

pytestmark = pytest.mark.slow(50)

REPOSITORY = Path(__file__).resolve().parents[2]


class Daemon:
    """The part of the daemon that runs jobs, as a process of its own."""

    def __init__(self, house: House) -> None:
        self.log = house.folder.root / "house.log"
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "tests.jobs.house",
                    str(house.folder.root),
                    str(house.behaviour_file),
                ],
                cwd=REPOSITORY,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(60)

    def stop(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


@pytest.fixture
def daemon(closed: House) -> Iterator[Callable[[], Daemon]]:
    started: list[Daemon] = []

    def start() -> Daemon:
        started.append(Daemon(closed))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


def child_is_gone(pid: int) -> bool:
    return start_ticks(pid) is None


def test_killed_while_a_job_waits(closed: House, daemon: Callable[[], Daemon]) -> None:
    first = daemon()
    time.sleep(0.2)
    first.kill()
    job = closed.queue.submit()
    daemon()
    ended = closed.end(job.id)
    assert (ended.state, ended.attempts) == ("completed", 1)


def test_killed_while_a_job_starts(closed: House, daemon: Callable[[], Daemon]) -> None:
    closed.behave(silent=True, steps=100, no_checkpoints=True)
    job = closed.queue.submit()
    first = daemon()
    until(lambda: closed.starts(job.id), "the child to begin")
    assert closed.queue.get(job.id).state == "starting"
    pid = closed.table_row(job.id)["pid"]
    first.kill()
    until(lambda: child_is_gone(pid), "the child to end with its daemon")
    closed.behave()
    daemon()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.attempts) == ("completed", "converged", 2)
    assert "queued" in closed.states(job.id)[1:]


def test_killed_while_a_job_runs_it_goes_on_from_its_checkpoint(
    closed: House, daemon: Callable[[], Daemon]
) -> None:
    closed.behave(steps=200)
    job = closed.queue.submit()
    first = daemon()
    until(lambda: (closed.folder.job(job.id) / "checkpoints" / "000003").exists(), "step 3")
    pid = closed.table_row(job.id)["pid"]
    first.kill()
    until(lambda: child_is_gone(pid), "the child to end with its daemon")
    closed.behave(steps=8)
    daemon()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "converged", "V001")
    assert ended.attempts == 2
    starts = closed.starts(job.id)
    assert starts[0]["step"] == 0
    assert starts[1]["step"] >= 3
    events = closed.queue.events(job.id)
    assert ("queued", "interrupted") in [(event["state"], event["reason"]) for event in events]


def test_killed_while_a_job_is_paused(closed: House, daemon: Callable[[], Daemon]) -> None:
    closed.behave(steps=200)
    job = closed.queue.submit()
    first = daemon()
    closed.step(job.id)
    first.process.send_signal(signal.SIGUSR1)
    paused = closed.state(job.id, "paused")
    pid = closed.table_row(job.id)["pid"]
    first.kill()
    until(lambda: child_is_gone(pid), "the stopped child to end with its daemon")
    time.sleep(1.0)
    closed.behave(steps=8)
    daemon()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "converged", "V001")
    starts = closed.starts(job.id)
    assert starts[1]["step"] >= 1, "it goes on from its checkpoint"
    assert starts[1]["used_s"] == pytest.approx(paused.used_s), "neither pause nor death counts"


def test_killed_after_the_result_was_written(closed: House, daemon: Callable[[], Daemon]) -> None:
    """The training ended, the daemon died before it could write that down."""
    job = closed.queue.submit()
    closed.queue.table.take()
    training = [sys.executable, closed.runner._worker[1], str(closed.behaviour_file)]
    path = closed.runner._write_bundle(closed.table_row(job.id))
    subprocess.run([*training, str(path)], check=True)
    daemon()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "converged", "V001")
    assert len(closed.starts(job.id)) == 1, "it was not trained again"


def test_killed_while_a_model_is_being_salvaged(
    closed: House, daemon: Callable[[], Daemon]
) -> None:
    """The verdict was committed before: the job is not resumed, and its model is not lost."""
    closed.behave(crash_at=2, salvage_s=60)
    job = closed.queue.submit()
    first = daemon()
    until(
        lambda: [start["what"] for start in closed.starts(job.id)] == ["train", "salvage"],
        "the salvage to begin",
    )
    first.kill()
    closed.behave(crash_at=2)
    daemon()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("failed", "crashed", "V001")
    assert [start["what"] for start in closed.starts(job.id)] == ["train", "salvage", "salvage"]


def test_a_clean_stop_leaves_the_job_to_be_resumed_uncounted(
    closed: House, daemon: Callable[[], Daemon]
) -> None:
    closed.behave(steps=200)
    job = closed.queue.submit()
    later = closed.queue.submit()
    first = daemon()
    until(lambda: (closed.folder.job(job.id) / "checkpoints" / "000003").exists(), "step 3")
    assert first.stop() == 0
    waiting = closed.queue.get(job.id)
    assert (waiting.state, waiting.position, waiting.attempts) == ("queued", 1, 0)
    assert waiting.used_s > 0
    assert closed.versions.all() == [], "what it had when it was stopped is no version"
    closed.behave(steps=8)
    daemon()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.attempts) == ("completed", "converged", 1)
    starts = closed.starts(job.id)
    assert starts[1]["step"] >= 3
    assert starts[1]["used_s"] == pytest.approx(waiting.used_s)
    assert closed.end(later.id).state == "completed"


def test_a_clean_stop_of_a_worker_that_does_not_listen(
    closed: House, daemon: Callable[[], Daemon]
) -> None:
    closed.behave(steps=1000, ignore_term=True)
    job = closed.queue.submit()
    first = daemon()
    until(lambda: (closed.folder.job(job.id) / "checkpoints" / "000003").exists(), "step 3")
    pid = closed.table_row(job.id)["pid"]
    assert first.stop() == 0
    assert child_is_gone(pid)
    assert closed.queue.get(job.id).state == "queued"


def test_many_kills_leave_no_job_without_an_end(
    closed: House, daemon: Callable[[], Daemon]
) -> None:
    """The daemon dies at random moments until both jobs have ended by themselves."""
    closed.behave(steps=12, step_s=0.04)
    jobs = [closed.queue.submit().id for _ in range(2)]
    for life in range(12):
        one = daemon()
        time.sleep(0.25 + 0.09 * life)
        one.kill()
        if all(closed.queue.get(job).state == "completed" for job in jobs):
            break
        assert all(
            closed.queue.get(job).reason in (None, "interrupted", "converged") for job in jobs
        )
    daemon()
    for job in jobs:
        ended = closed.end(job)
        assert (ended.state, ended.reason) in [
            ("completed", "converged"),
            ("failed", "interrupted"),
        ]
        assert ended.version is not None
    assert len(closed.versions.all()) == 2
    assert sorted(path.name for path in closed.folder.versions.iterdir()) == ["V001", "V002"]
