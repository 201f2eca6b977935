"""Folders of ended trainings go in their time; nothing that somebody may still want does."""

from __future__ import annotations

from dataclasses import replace

from appliance.jobs.tidy import GOING, tidy
from appliance.settings import Settings
from tests.jobs.house import House


def few(house: House, keep_jobs: int, keep_failed_logs: int) -> None:
    """From the next training on, as a person sets it."""
    training = replace(
        house.settings.training, keep_jobs=keep_jobs, keep_failed_logs=keep_failed_logs
    )
    house.settings = replace(Settings(), training=training)
    house.runner.use(house.settings)


def kept(house: House) -> list[str]:
    return sorted(path.name for path in house.folder.jobs.iterdir())


def test_old_folders_go_and_those_of_versions_stay(house: House) -> None:
    few(house, keep_jobs=1, keep_failed_logs=0)
    house.runner.start()
    good = house.end(house.queue.submit().id)
    spoiled = house.end(house.queue.submit().id)
    assert (good.version, spoiled.version) == ("V001", "V002")
    assert kept(house) == ["1", "2"], "both versions exist"
    house.versions.delete("V002")
    cancelled = house.queue.submit()
    house.behave(steps=1000)
    house.step(cancelled.id)
    waiting = house.queue.submit()
    house.queue.cancel(cancelled.id)
    house.end(cancelled.id)
    house.queue.cancel(waiting.id)
    house.end(waiting.id)
    house.runner.stop()
    tidy(house.db, house.folder, house.settings.training)
    assert "1" in kept(house)
    assert "2" not in kept(house)
    # What it can be asked is still answered, with nothing.
    assert house.queue.get(spoiled.id).version == "V002"
    assert house.queue.progress(spoiled.id) == []
    assert house.queue.log(spoiled.id) == ""
    assert len(house.queue.progress(good.id)) == 4


def test_failures_keep_their_log_longer(house: House) -> None:
    few(house, keep_jobs=1, keep_failed_logs=2)
    house.behave(crash_at=1, no_checkpoints=True)
    house.runner.start()
    failed = [house.end(house.queue.submit().id) for _ in range(4)]
    assert [job.state for job in failed] == ["failed"] * 4
    assert [job.version for job in failed] == [None] * 4
    house.runner.stop()
    tidy(house.db, house.folder, house.settings.training)
    assert kept(house) == ["3", "4"]
    assert (house.folder.job(4) / "manifest.json").exists()
    assert sorted(path.name for path in house.folder.job(3).iterdir()) == ["worker.log"]
    assert "an invented crash" in house.queue.log(3)
    assert house.queue.log(1) == ""


def test_what_was_cut_off_is_finished_and_strangers_stay(house: House) -> None:
    (house.folder.jobs / f"{GOING}7" / "result").mkdir(parents=True)
    (house.folder.jobs / "99").mkdir()
    few(house, keep_jobs=1, keep_failed_logs=0)
    house.runner.start()
    assert kept(house) == ["99"]
