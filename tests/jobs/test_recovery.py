"""What a daemon that died left behind, taken up by the next one: children, attempts, results."""

from __future__ import annotations

import contextlib
import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import clock
from appliance.jobs.process import start_ticks
from tests.jobs.house import House, read_starts

pytestmark = pytest.mark.slow

SLEEPER = (sys.executable, "-c", "import time; time.sleep(600)")


def test_a_child_that_outlived_its_daemon_is_ended(closed: House) -> None:
    """Known by pid, start time and folder; its whole group goes."""
    job = closed.queue.submit()
    closed.queue.table.take()
    stray = subprocess.Popen([*SLEEPER, str(closed.folder.job(job.id))], start_new_session=True)
    try:
        closed.queue.table.note_child(job.id, stray.pid, start_ticks(stray.pid) or 0)
        closed.runner.start()
        assert stray.wait(60) == -signal.SIGKILL
    finally:
        stray.kill()
    ended = closed.end(job.id)
    assert (ended.state, ended.attempts) == ("completed", 2)


def test_a_copy_of_the_data_leaves_the_training_of_the_running_box_alone(
    house: House, tmp_path: Path
) -> None:
    house.behave(steps=1000, step_s=0.05)
    job = house.queue.submit()
    house.runner.start()
    house.step(job.id)
    child = house.table_row(job.id)["pid"]
    copy = tmp_path / "copy"
    shutil.copytree(house.folder.root, copy, ignore=shutil.ignore_patterns("jobs", "*.db*"))
    with contextlib.closing(sqlite3.connect(house.folder.database)) as db:
        db.execute("VACUUM INTO ?", [str(copy / house.folder.database.name)])
    behaviour = tmp_path / "of the copy.json"
    behaviour.write_text(
        json.dumps({"template": json.loads(house.behaviour_file.read_text())["template"]})
    )
    restored = House(copy, behaviour)
    try:
        assert restored.table_row(job.id)["pid"] == child
        restored.runner.start()
        ended = restored.end(job.id)
    finally:
        restored.close()
    assert (ended.state, ended.attempts) == ("completed", 2)
    lives = house.queue.get(job.id)
    assert (lives.state, lives.attempts) == ("running", 1)
    assert start_ticks(child) is not None


def test_a_pid_that_was_used_again_is_left_alone(closed: House) -> None:
    job = closed.queue.submit()
    closed.queue.table.take()
    folder = str(closed.folder.job(job.id))
    bystander = subprocess.Popen([*SLEEPER, folder], start_new_session=True)
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
    folder = str(closed.folder.job(job.id))
    bystander = subprocess.Popen([*SLEEPER, folder], start_new_session=True)
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
