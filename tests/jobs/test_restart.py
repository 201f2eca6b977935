"""kill -9 of the process that runs the queue, in each state of a job; and its clean stop."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance import clock
from appliance.jobs.process import start_ticks
from tests.jobs.house import House, add_clips, read_starts, until

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
def closed(open_house: Callable[[], House]) -> House:
    """Ten clips and a queue that another process runs; this one only looks while that lives."""
    house = open_house()
    add_clips(house.db, house.folder, dog=5, cat=5)
    return house


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


def test_a_child_that_outlived_its_daemon_is_ended(closed: House) -> None:
    """Known by pid and start time; its whole group goes."""
    job = closed.queue.submit()
    closed.queue.table.take()
    stray = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        closed.queue.table.note_child(job.id, stray.pid, start_ticks(stray.pid) or 0)
        closed.runner.start()
        assert stray.wait(60) == -signal.SIGKILL
    finally:
        stray.kill()
    ended = closed.end(job.id)
    assert (ended.state, ended.attempts) == ("completed", 2)


def test_a_pid_that_was_used_again_is_left_alone(closed: House) -> None:
    job = closed.queue.submit()
    closed.queue.table.take()
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        started = start_ticks(bystander.pid) or 0
        closed.queue.table.note_child(job.id, bystander.pid, started - 1)
        closed.runner.start()
        assert closed.end(job.id).state == "completed"
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()


def test_after_a_reboot_no_pid_is_probed_and_time_is_not_counted(closed: House) -> None:
    job = closed.queue.submit()
    closed.queue.table.take()
    bystander = subprocess.Popen(["sleep", "600"], start_new_session=True)
    try:
        with closed.db.write() as db:
            db.conn.execute(
                "UPDATE jobs SET boot_id = 'another boot', pid = ?, pid_started = ?, used_s = 7, "
                "attempt_ns = ? WHERE id = ?",
                [bystander.pid, start_ticks(bystander.pid), 1, job.id],
            )
        closed.runner.start()
        ended = closed.end(job.id)
        assert bystander.poll() is None
    finally:
        bystander.kill()
        bystander.wait()
    assert (ended.state, ended.attempts) == ("completed", 2)
    assert closed.starts(job.id)[0]["used_s"] == 7
    assert 7 < ended.used_s < 37
    assert "restarted" in str(closed.queue.events(job.id))


def test_the_time_that_the_daemon_was_dead_is_not_counted(closed: House) -> None:
    job = closed.queue.submit()
    closed.queue.table.take()
    an_hour_ago = clock.monotonic_ns() - 3_600_000_000_000
    with closed.db.write() as db:
        db.conn.execute(
            "UPDATE jobs SET used_s = 3, attempt_ns = ? WHERE id = ?", [an_hour_ago, job.id]
        )
    closed.runner.start()
    ended = closed.end(job.id)
    assert ended.state == "completed"
    assert closed.starts(job.id)[0]["used_s"] == 3


def interrupted(house: House, job: int, attempts: int, **columns: object) -> None:
    """A job that a dead daemon left running, for the so-manieth time."""
    house.queue.table.take()
    house.queue.table.move(job, "starting", "running", attempts=attempts, **columns)


@pytest.mark.parametrize("attempts", [1, 2, 3])
def test_an_interrupted_job_is_resumed_three_times(closed: House, attempts: int) -> None:
    job = closed.queue.submit()
    interrupted(closed, job.id, attempts)
    closed.runner.start()
    ended = closed.end(job.id)
    assert (ended.state, ended.attempts) == ("completed", attempts + 1)


def test_the_fourth_interruption_is_the_end(closed: House, template: Path) -> None:
    job = closed.queue.submit()
    interrupted(closed, job.id, 4)
    path = closed.runner._write_bundle(closed.table_row(job.id))
    (path / "checkpoints" / "000009").mkdir(parents=True)
    closed.runner.start()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("failed", "interrupted", "V001")
    assert [start["what"] for start in closed.starts(job.id)] == ["salvage"]


def test_interrupted_with_its_time_used_up(closed: House) -> None:
    job = closed.queue.submit()
    interrupted(closed, job.id, 1, used_s=3600.0)
    path = closed.runner._write_bundle(closed.table_row(job.id))
    (path / "checkpoints" / "000009").mkdir(parents=True)
    closed.runner.start()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "time limit", "V001")


def test_cancelled_just_before_the_daemon_died(closed: House) -> None:
    job = closed.queue.submit()
    closed.queue.table.take()
    closed.queue.cancel(job.id, "anna")
    closed.runner.start()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.detail) == (
        "cancelled",
        "cancelled",
        "cancelled by anna",
    )
    assert closed.starts(job.id) == []


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


def test_a_salvage_that_kills_the_daemon_is_not_tried_for_ever(closed: House) -> None:
    job = closed.queue.submit()
    interrupted(closed, job.id, 1)
    path = closed.runner._write_bundle(closed.table_row(job.id))
    (path / "checkpoints" / "000009").mkdir(parents=True)
    for _ in range(3):
        closed.queue.table.note_verdict(job.id, "crashed", "it broke")
    closed.runner.start()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.detail) == ("failed", "crashed", "it broke")
    assert closed.starts(job.id) == []


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


def test_publication_cut_between_the_rename_and_the_row(closed: House, template: Path) -> None:
    """The version's folder is there, its row is not: the job ends with that version."""
    job = closed.queue.submit()
    closed.queue.table.take()
    path = closed.runner._write_bundle(closed.table_row(job.id))
    training = [sys.executable, closed.runner._worker[1], str(closed.behaviour_file)]
    subprocess.run([*training, str(path)], check=True)

    def publish_and_lose_power() -> None:
        with closed.db.write():
            closed.versions.publish(
                path / "result",
                job=job.id,
                dataset_version="dataset-001",
                parent=None,
                stopped="converged",
                seconds=1.0,
            )
            raise RuntimeError("the power went here")

    with pytest.raises(RuntimeError):
        publish_and_lose_power()
    assert not (path / "result").exists()
    assert closed.versions.all() == []
    closed.runner.start()
    ended = closed.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "converged", "V001")
    assert closed.versions.get("V001").job == job.id


def test_a_folder_left_by_another_database_is_not_resumed(closed: House) -> None:
    stale = closed.folder.job(1)
    (stale / "checkpoints" / "000500").mkdir(parents=True)
    (stale / "manifest.json").write_text(json.dumps({"job": 1, "submitted_at": 1.0}))
    closed.runner.start()
    ended = closed.end(closed.queue.submit().id)
    assert ended.state == "completed"
    assert read_starts(closed.folder, ended.id)[0]["step"] == 0


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
