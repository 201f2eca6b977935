"""Candidates that were not reported outlive a restart, and cost the disk little."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import soundfile

from appliance import clock
from appliance.care.clock_set import ClockSet
from appliance.errors import LowSpace, NotFound
from appliance.live.rejections import KEPT, Rejections
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.live.conftest import Box, until
from tests.live.tones import LOW_HZ, scene


def test_what_was_refused_is_still_explained_after_a_restart(
    folder: DataFolder, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(8, [(3.0, 0.5, LOW_HZ)]), 16_000)
    box = Box(folder)
    try:
        version = box.deploy({"low": LOW_HZ})
        box.thresholds.set("low", 0.9999999)
        microphone = box.replay(tmp_path / "scene.wav")
        (before,) = until(box.listener.rejected, "a refusal")
    finally:
        box.close()
    assert (before["microphone"], before["label"], before["version"]) == (
        microphone,
        "low",
        version,
    )
    again = Box(folder)
    try:
        assert [one for one in again.listener.rejected() if one["at"] <= before["at"] + 0.01] == [
            pytest.approx(before)
        ]
        assert again.listener.rejected("yard", label="high") == []
        again.microphones.remove("yard")
        until(lambda: not again.listener.rejected(), "it to go with its microphone")
        with pytest.raises(NotFound):
            again.listener.rejected("yard")
    finally:
        again.close()


def test_a_thousand_candidates_are_one_write_and_the_newest_stay(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database(folder.database)
    kept = Rejections(db)
    for number in range(1000):
        kept.add("a", "dog", number / 1000, f"number {number}", "V001")
    kept.add("b", "dog", 0.5, "of another", "V001")
    assert db.rows("SELECT * FROM rejections") == []

    def full() -> None:
        raise LowSpace("the disk is full", "make room")

    with monkeypatch.context() as patched:
        patched.setattr(db, "write", full)
        kept.flush()  # it waits in memory
    kept.flush()
    found = db.rows("SELECT microphone, reason FROM rejections ORDER BY id")
    assert [row["reason"] for row in found if row["microphone"] == "a"] == [
        f"number {number}" for number in range(1000 - KEPT, 1000)
    ]
    later = Rejections(db)
    later.start()
    assert [one.reason for one in later.last("b")] == ["of another"]
    assert [one.reason for one in later.last("a", 2)] == ["number 998", "number 999"]
    later.stop()
    db.close()


def test_times_from_before_the_clock_was_set_are_put_right(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    db = Database(folder.database)
    real = replace(clock.now(), clock_synced=True)
    unset = clock.Stamp(real.boot_id, real.monotonic_ns, 60.0, False)
    kept = Rejections(db)
    monkeypatch.setattr(clock, "now", lambda: unset)
    kept.add("a", "dog", 0.5, "0.50 under 0.80", "V001")
    kept.flush()
    assert kept.last()[0].at == pytest.approx(60.0)
    monkeypatch.setattr(clock, "now", lambda: real)
    assert kept.last()[0].at == pytest.approx(real.wall, abs=1)
    assert ClockSet(db, lambda: real).look() == 1
    (row,) = db.rows("SELECT at, clock_synced FROM rejections")
    assert row["at"] == pytest.approx(real.wall, abs=1)
    assert row["clock_synced"] == 1
    db.close()
