"""Trainings that end well, badly, late or by hand: each in a named state with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from appliance.errors import LowSpace
from appliance.jobs.runner import Runner
from tests.jobs.house import House, until


def test_a_training_becomes_a_version(house: House) -> None:
    job = house.queue.submit(author="anna")
    assert (job.state, job.position) == ("queued", 1)
    house.runner.start()
    ended = house.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "converged", "V001")
    assert house.states(job.id) == ["queued", "starting", "running", "completed"]
    assert ended.attempts == 1
    assert ended.progress is not None
    assert (ended.progress["fraction"], ended.progress["step"]) == (1.0, 4)
    assert 0 < ended.used_s < 30
    version = house.versions.get("V001")
    assert (version.job, version.dataset_version) == (job.id, "dataset-001")
    assert version.accuracy == 0.9
    assert ended.plan["seconds"] == 1.5, "the plan is the one that the training decided on"
    assert [line["step"] for line in house.queue.progress(job.id)] == [1, 2, 3, 4]
    checkpoints = house.folder.job(job.id) / "checkpoints"
    until(lambda: not checkpoints.exists(), "the checkpoints, which have served, to go")


def test_first_come_first_served(house: House) -> None:
    first, second, third = (house.queue.submit(dataset_version=f"d{n}") for n in range(3))
    assert [job.position for job in (first, second, third)] == [1, 2, 3]
    house.behave(steps=20)
    house.runner.start()
    waiting = house.step(first.id) and house.queue.get(third.id)
    assert (waiting.state, waiting.position) == ("queued", 2)
    second = house.queue.get(second.id)
    assert second.expected_start is not None
    assert waiting.expected_start is not None
    # The third waits for what is left of the first, and for all that is planned of the second.
    assert waiting.expected_start > second.expected_start
    for job in (first, second, third):
        assert house.end(job.id).state == "completed"
    assert [version.job for version in house.versions.all()] == [third.id, second.id, first.id]


def test_a_crash_is_named_and_its_checkpoint_becomes_a_version(house: House) -> None:
    house.behave(crash_at=3)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert (ended.state, ended.reason, ended.version) == ("failed", "crashed", "V001")
    assert "an invented crash" in ended.detail
    assert "log" in ended.detail
    assert "V001" in ended.detail
    assert "an invented crash" in house.queue.log(ended.id)
    assert house.versions.get("V001").stopped == "crashed"
    assert [start["what"] for start in house.starts(ended.id)] == ["train", "salvage"]


def test_a_crash_before_the_first_checkpoint_has_no_version(house: House) -> None:
    house.behave(crash_at=1, no_checkpoints=True)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert (ended.state, ended.reason, ended.version) == ("failed", "crashed", None)
    assert [start["what"] for start in house.starts(ended.id)] == ["train"]


def test_a_salvage_that_fails_ends_the_job_all_the_same(house: House) -> None:
    house.behave(crash_at=2, salvage_fails=True)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert (ended.state, ended.reason, ended.version) == ("failed", "crashed", None)
    assert (house.folder.job(ended.id) / "checkpoints").exists(), "kept for whoever looks"


def test_a_child_killed_by_somebody_is_a_crash(house: House) -> None:
    house.behave(kill_at=2)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert (ended.state, ended.reason) == ("failed", "crashed")
    assert "SIGKILL" in ended.detail


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"reason": "out of memory", "detail": "8 GB", "advice": "fewer clips"}, "out of memory"),
        ({"reason": "diverged", "detail": "loss is NaN", "advice": ""}, "diverged"),
        ({"reason": "tired", "detail": "slept", "advice": ""}, "crashed"),
    ],
)
def test_what_the_training_says_of_its_failure(
    house: House, said: dict[str, str], reason: str
) -> None:
    house.behave(error_at=2, error=said)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert (ended.state, ended.reason, ended.version) == ("failed", reason, "V001")
    assert said["detail"] in ended.detail


@pytest.mark.parametrize("wrong", [{"no_result": True}, {"damage": True}])
def test_an_end_without_a_whole_result_is_a_crash(house: House, wrong: dict[str, bool]) -> None:
    house.behave(**wrong)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert (ended.state, ended.reason) == ("failed", "crashed")
    assert "result" in ended.detail
    assert ended.version == "V001", "the checkpoint was good"


def test_a_whole_result_counts_even_when_the_exit_status_is_bad(house: House) -> None:
    house.behave(status=7)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "converged", "V001")


def test_a_worker_that_cannot_be_started_fails_and_the_queue_goes_on(house: House) -> None:
    broken = Runner(house.queue, house.folder, house.settings, worker=("/nowhere/worker",))
    broken.start()
    try:
        ended = house.end(house.queue.submit().id)
    finally:
        broken.stop()
    assert (ended.state, ended.reason) == ("failed", "crashed")
    house.runner.start()
    assert house.end(house.queue.submit().id).state == "completed"


def test_a_clip_without_its_file_fails_with_its_name(house: House) -> None:
    job = house.queue.submit()
    next(house.folder.clips.glob("*/*.flac")).unlink()
    house.runner.start()
    ended = house.end(job.id)
    assert (ended.state, ended.reason) == ("failed", "crashed")
    assert "has lost its file" in ended.detail


def test_the_time_limit_keeps_the_best_model(house: House) -> None:
    house.behave(steps=1000)
    job = house.queue.submit()
    house.limit(job.id, 0.6)
    house.runner.start()
    ended = house.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "time limit", "V001")
    assert house.versions.get("V001").stopped == "time limit"


def test_a_worker_that_ignores_sigterm_is_gone_in_time(house: House) -> None:
    house.behave(steps=100_000, ignore_term=True)
    job = house.queue.submit()
    house.limit(job.id, 0.5)
    house.runner.start()
    house.step(job.id)
    pid = house.db.rows("SELECT pid FROM jobs WHERE id = ?", [job.id])[0]["pid"]
    ended = house.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("completed", "time limit", "V001")
    assert [start["what"] for start in house.starts(job.id)] == ["train", "salvage"]
    assert not Path(f"/proc/{pid}").exists()
    # Limit, slack and this house's grace of one second; salvage comes after it.
    assert ended.used_s < 0.5 + 35


def test_cancel_while_it_runs(house: House) -> None:
    house.behave(steps=1000)
    house.runner.start()
    job = house.queue.submit()
    house.step(job.id)
    asked = house.queue.cancel(job.id, "bert")
    assert asked.cancel_requested
    ended = house.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("cancelled", "cancelled", "V001")
    assert ended.detail == "cancelled by bert; the best model is V001"
    again = house.queue.cancel(job.id, "carl")
    assert again == ended, "cancelling a finished job does nothing"


def test_cancel_of_a_worker_that_does_not_listen(house: House) -> None:
    house.behave(steps=100_000, ignore_term=True)
    house.runner.start()
    job = house.queue.submit()
    house.step(job.id)
    house.queue.cancel(job.id)
    ended = house.end(job.id)
    assert (ended.state, ended.reason, ended.version) == ("cancelled", "cancelled", "V001")
    assert [start["what"] for start in house.starts(job.id)] == ["train", "salvage"]


def test_cancel_while_it_waits(house: House) -> None:
    job = house.queue.submit()
    ended = house.queue.cancel(job.id, "bert")
    assert (ended.state, ended.reason, ended.detail) == (
        "cancelled",
        "cancelled",
        "cancelled by bert",
    )
    house.runner.start()
    after = house.queue.submit()
    house.end(after.id)
    assert house.starts(job.id) == []


def test_cancel_while_it_starts(house: House) -> None:
    house.behave(silent=True, steps=1000, no_checkpoints=True)
    house.runner.start()
    job = house.queue.submit()
    house.state(job.id, "starting")
    house.queue.cancel(job.id)
    ended = house.end(job.id)
    assert (ended.state, ended.reason) == ("cancelled", "cancelled")


def test_a_pause_costs_no_time(house: House) -> None:
    house.behave(steps=40)
    house.runner.start()
    job = house.queue.submit()
    house.step(job.id)
    assert house.runner.pause("too hot")
    paused = house.state(job.id, "paused")
    assert paused.detail == "too hot"
    # Somebody else holds it, too, and lets go: it is still too hot.
    house.runner.pause("listening is behind", by="listening")
    until(lambda: "; listening is behind" in house.queue.get(job.id).detail, "both reasons")
    house.runner.resume(by="listening")
    until(lambda: house.queue.get(job.id).detail == "too hot", "the reason that is left")
    later = house.queue.get(job.id)
    assert later.used_s == paused.used_s
    assert later.progress == house.queue.get(job.id).progress
    house.runner.resume()
    ended = house.end(job.id)
    assert ended.state == "completed"
    assert house.states(job.id) == [
        "queued", "starting", "running", "paused", "running", "completed"
    ]  # fmt: skip
    assert ended.used_s >= paused.used_s


def test_cancel_while_it_is_paused(house: House) -> None:
    house.behave(steps=1000)
    house.runner.start()
    job = house.queue.submit()
    house.step(job.id)
    house.runner.pause("too hot")
    house.state(job.id, "paused")
    house.queue.cancel(job.id)
    ended = house.end(job.id)
    assert (ended.state, ended.version) == ("cancelled", "V001")


def test_the_bus_hears_of_progress_and_of_each_state(house: House) -> None:
    heard: list[dict[str, Any]] = []
    house.bus.subscribe(lambda event: heard.append(event.data) if event.topic == "job" else None)
    house.behave(steps=60, step_s=0.02)
    job = house.queue.submit()  # before the runner, which would tell of its start meanwhile
    house.runner.start()
    ended = house.end(job.id)
    until(lambda: heard[-1]["state"] == "completed", "the last event")
    states = [data["state"] for data in heard]
    assert sorted(set(states), key=states.index) == ["queued", "starting", "running", "completed"]
    told = [data for data in heard if data["state"] == "running" and data["progress"]]
    fractions = [data["progress"]["fraction"] for data in told]
    assert fractions == sorted(fractions)
    assert len(told) < 60, "many lines become few events"
    assert heard[-1]["version"] == ended.version


def test_a_full_disk_at_the_end_delays_it_and_changes_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verdict is kept until it can be written: a crash does not become an interruption."""
    refusals = []
    publish = house.versions.publish

    def refuse_once(*arguments: Any, **facts: Any) -> Any:
        if not refusals:
            refusals.append(1)
            raise LowSpace("the disk is full")
        return publish(*arguments, **facts)

    monkeypatch.setattr(house.versions, "publish", refuse_once)
    house.behave(crash_at=2)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert refusals
    assert (ended.state, ended.reason, ended.version) == ("failed", "crashed", "V001")
    assert [start["what"] for start in house.starts(ended.id)].count("train") == 1


def test_a_database_that_refuses_for_a_while_ends_no_training(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    refusals = []

    def refuse(_job: int) -> None:
        refusals.append(1)
        raise LowSpace("the disk is full")

    monkeypatch.setattr("appliance.jobs.supervision.COMMIT_S", 0.0)
    monkeypatch.setattr(house.queue.table, "commit_use", refuse)
    house.runner.start()
    ended = house.end(house.queue.submit().id)
    assert refusals
    assert (ended.state, ended.reason, ended.attempts) == ("completed", "converged", 1)


def test_used_time_is_committed_while_it_runs(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.jobs.supervision.COMMIT_S", 0.1)
    house.behave(steps=100_000)
    house.runner.start()
    job = house.queue.submit()
    house.step(job.id)  # its child needs a while to begin, which is used time as well

    def committed() -> float:
        return float(house.table_row(job.id)["used_s"])

    until(lambda: committed() > 0.5, "committed time")
    before = committed()
    until(lambda: committed() > before, "more of it")
    shown = house.queue.get(job.id).used_s
    assert shown >= before
    assert json.loads(house.table_row(job.id)["progress"])["step"] >= 1
    house.queue.cancel(job.id)
    assert house.end(job.id).used_s >= shown


def test_the_bundle_is_what_the_training_needs(house: House) -> None:
    house.behave(crash_at=1)
    house.runner.start()
    job = house.end(house.queue.submit(30).id)
    manifest = json.loads((house.folder.job(job.id) / "manifest.json").read_text())
    assert (manifest["format"], manifest["job"], manifest["threads"]) == (1, job.id, 1)
    assert (manifest["budget_s"], manifest["used_s"]) == (1800.0, 0.0)
    assert manifest["classes"] == ["cat", "dog"]
    assert manifest["protocol"] == "cross-validation"
    assert len(manifest["clips"]) == 10
    for clip in manifest["clips"]:
        assert Path(clip["path"]).exists()
        assert {"id", "label", "session", "microphone", "duration_s", "fold"} <= set(clip)


def test_a_training_may_begin_with_the_weights_of_another(house: House) -> None:
    house.runner.start()
    first = house.end(house.queue.submit().id)
    assert first.version is not None
    second = house.end(house.queue.submit(from_version=first.version).id)
    manifest = json.loads((house.folder.job(second.id) / "manifest.json").read_text())
    assert manifest["initial_weights"] == str(
        house.versions.path(first.version) / "model.safetensors"
    )
    assert second.version is not None
    assert house.versions.get(second.version).parent == first.version
