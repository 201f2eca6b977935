"""The last hours of a microphone: written beside capture, rolled away, read again."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.audio.capture import CaptureStatus
from appliance.audio.source import Chunk
from appliance.clock import monotonic_ns
from appliance.errors import InvalidInput, NotFound
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.library.microphones import FormerMicrophone
from appliance.paths import DataFolder
from appliance.recording import tape as tape_module
from appliance.recording.history import History
from appliance.recording.minutes import RATE, all_minutes, unbroken
from appliance.settings import HistorySettings, Settings
from appliance.store.database import Database

MIC = "usb:1-2/odd name"


class HandMicrophone:
    """A capture that gives what a test hands it."""

    def __init__(self, identifier: str = MIC) -> None:
        self.id = identifier
        self.consumers: list[Callable[[Chunk], None]] = []
        self.frame, self.stream = 0, 1
        self.began_ns = monotonic_ns()

    def subscribe(self, consumer: Callable[[Chunk], None]) -> Callable[[], None]:
        self.consumers.append(consumer)
        return lambda: self.consumers.remove(consumer)

    def status(self) -> CaptureStatus:
        return CaptureStatus("running")

    def play(self, samples: np.ndarray, rate: int = 48_000, lost: int = 0) -> None:
        self.frame += lost
        for start in range(0, len(samples), rate // 10):
            part = samples[start : start + rate // 10].astype(np.float32)
            at = self.began_ns + round(self.frame / rate * 1e9)
            chunk = Chunk(self.id, self.stream, rate, part, self.frame, at, lost)
            self.frame += len(part)
            lost = 0
            for consumer in self.consumers:
                consumer(chunk)


class HandMicrophones:
    """As `Microphones`, as far as the history asks."""

    def __init__(self, *captures: HandMicrophone) -> None:
        self.captures = {capture.id: capture for capture in captures}

    def all(self) -> list[object]:
        return [type("View", (), {"id": name, "enabled": True})() for name in self.captures]

    def capture(self, key: str) -> HandMicrophone:
        return self.captures[key]

    def get(self, key: str) -> object:
        if key not in self.captures:
            raise NotFound(f"no {key}")
        return type("View", (), {"id": key})()

    def former(self) -> list[FormerMicrophone]:
        return [FormerMicrophone(MIC, "hall", 0.0)]


class Shelf:
    """A history whose thread is turned by hand."""

    def __init__(self, db: Database, folder: DataFolder, bus: EventBus, **given: float) -> None:
        self.microphone = HandMicrophone()
        settings = dataclasses.replace(
            Settings(),
            history=HistorySettings(**given),  # type: ignore[arg-type]
        )
        self.clips = Clips(db, folder, bus)
        self.history = History(
            HandMicrophones(self.microphone),  # type: ignore[arg-type]
            self.clips,
            folder,
            settings,
            bus,
        )
        folder.history.mkdir(exist_ok=True)
        self.history._turn()

    def play(self, seconds: float, lost: int = 0, hz: float = 440.0) -> None:
        for _ in range(round(seconds / 5)):
            first = self.microphone.frame
            wave = np.sin(2 * np.pi * hz * (first + np.arange(5 * 48_000)) / 48_000)
            self.microphone.play(0.3 * wave, lost=lost)
            lost = 0
            self.history._turn()


@pytest.fixture
def shelf(
    db: Database, folder: DataFolder, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shelf]:
    monkeypatch.setattr(tape_module, "MINUTE_S", 10.0)
    made = Shelf(db, folder, bus)
    yield made
    made.history.stop()


def test_minutes_hold_the_sound_and_say_when_it_was(shelf: Shelf, folder: DataFolder) -> None:
    shelf.play(35)
    [(microphone, minutes)] = all_minutes(folder.history).items()
    assert microphone == MIC
    assert [round(one.seconds, 1) for one in minutes] == [10.0, 10.0, 10.0]
    assert [one.follows for one in minutes] == [False, True, True]
    assert len(unbroken(minutes)) == 1
    samples, rate = soundfile.read(minutes[1].path)
    assert rate == RATE
    # The wave goes on over the edge, to the sample.
    expected = 0.3 * np.sin(2 * np.pi * 440 * (10 + np.arange(len(samples)) / RATE))
    assert np.abs(samples - expected)[100:-100].max() < 1e-3
    assert minutes[1].at == pytest.approx(minutes[0].at + 10, abs=0.05)
    began = time.time() - (monotonic_ns() - shelf.microphone.began_ns) / 1e9
    assert minutes[0].at == pytest.approx(began, abs=0.5)
    shelf.history.flush()
    assert all_minutes(folder.history)[MIC][-1].seconds == pytest.approx(5, abs=0.1)
    [kept] = shelf.history.status().microphones
    assert kept.seconds == pytest.approx(35, abs=0.1)
    assert kept.bytes == sum(one.path.stat().st_size for one in all_minutes(folder.history)[MIC])


def test_lost_frames_and_a_restart_break_it_and_half_written_files_do_not(
    shelf: Shelf, folder: DataFolder
) -> None:
    shelf.play(15)
    shelf.play(10, lost=4_800)
    shelf.history.stop()
    home = all_minutes(folder.history)[MIC][0].path.parent
    (home / ".unfinished-9").write_bytes(b"fLaC half a mi")
    (home / "000000009-junk.flac").write_bytes(b"")
    shelf.history._stale = True
    shelf.history._turn()
    shelf.play(10)
    shelf.history.flush()
    runs = unbroken(all_minutes(folder.history)[MIC])
    lengths = [round(sum(one.seconds for one in run)) for run in runs]
    assert lengths == [15, 10, 10]
    assert not (home / ".unfinished-9").exists()
    numbers = [one.number for run in runs for one in run]
    assert numbers == list(range(1, len(numbers) + 1))


def test_it_rolls_by_length_by_size_and_away_when_the_disk_is_full(
    db: Database, folder: DataFolder, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tape_module, "MINUTE_S", 10.0)
    shelf = Shelf(db, folder, bus, hours=25 / 3600, max_mb=1)
    shelf.play(65)
    shelf.history._roll()
    assert [one.number for one in all_minutes(folder.history)[MIC]] == [5, 6]

    noise = np.random.default_rng(0)
    for _ in range(12):
        shelf.microphone.play(0.3 * noise.standard_normal(5 * 48_000))
        shelf.history._turn()
    wide = dataclasses.replace(shelf.history._settings, hours=6.0)
    shelf.history._settings = wide
    shelf.history._roll()
    left = all_minutes(folder.history)[MIC]
    assert 0 < sum(one.size for one in left) <= 1_000_000
    assert [one.number for one in left] == list(range(left[0].number, 13)), "the oldest go"

    # The disk wants as much back as the oldest minute holds, and that goes; then everything.
    shelf.history.missing = lambda: left[0].size
    shelf.history._roll()
    assert all_minutes(folder.history)[MIC] == left[1:]
    shelf.history.missing = lambda: 500_000_000
    shelf.history._roll()
    assert all_minutes(folder.history) == {}
    assert shelf.history.status().state == "shed"
    shelf.play(20)
    assert all_minutes(folder.history) == {}, "nothing is written while there is no room"
    shelf.history.missing = lambda: None
    shelf.history._roll()
    shelf.history._turn()
    shelf.play(20)
    assert all_minutes(folder.history)
    shelf.history.stop()


def test_a_pause_keeps_nothing_also_over_a_restart(
    shelf: Shelf, db: Database, folder: DataFolder, bus: EventBus
) -> None:
    shelf.play(15)
    shelf.history.pause()
    before = shelf.history.status().bytes
    shelf.play(30)
    assert shelf.history.status().bytes == before
    shelf.history.stop()
    later = Shelf(db, folder, bus)
    assert later.history.status().state == "paused"
    later.play(20)
    assert later.history.status().bytes == before
    later.history.resume()
    later.history._turn()
    later.play(20)
    assert later.history.status().bytes > before
    later.history.forget()
    assert later.history.status().microphones == []
    later.history.stop()


def test_a_stretch_becomes_a_clip_of_the_session_of_its_time(shelf: Shelf) -> None:
    shelf.play(30)
    clip = shelf.history.cut(MIC, 1, 8.0, 12.0, "hum", "anna")
    assert (clip.source, clip.label, clip.microphone) == ("history", "hum", MIC)
    assert clip.duration_s == pytest.approx(4.0)
    first = shelf.history.minutes()[MIC][0]
    assert clip.recorded_at == pytest.approx(first.at + 8, abs=0.01)
    assert shelf.history.cut(MIC, 1, 8.0, 12.0, None, "anna").id == clip.id
    other = shelf.history.cut(MIC, 2, 5.0, 6.0, None, "anna")
    assert other.session == clip.session, "one recording stays on one side of a split"
    # A person names a time, not a minute.
    minute, start_s = shelf.history.place(MIC, first.at + 8)
    assert shelf.history.cut(MIC, minute, start_s, start_s + 4, None, "anna").id == clip.id
    assert shelf.history.place("hall", first.at + 8) == (minute, start_s), "by its former name"
    with pytest.raises(NotFound, match="not in the history"):
        shelf.history.place(MIC, first.at - 60)
    with pytest.raises(NotFound, match="not in the history any more"):
        shelf.history.cut(MIC, 99, 0.0, 1.0, None, "anna")
    with pytest.raises(InvalidInput, match="no stretch"):
        shelf.history.cut(MIC, 1, 5.0, 2.0, None, "anna")


def test_a_disk_that_refuses_costs_that_sound_alone(
    shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(5, "Input/output error")

    write = tape_module.write_flac
    monkeypatch.setattr(tape_module, "write_flac", refuse)
    shelf.play(15)
    assert "Input/output error" in shelf.history.status().problem
    monkeypatch.setattr(tape_module, "write_flac", write)
    shelf.play(20)
    minutes = shelf.history.minutes()[MIC]
    assert shelf.history.status().problem == ""
    assert not minutes[0].follows, "what came after the loss is not joined to what was before"


def test_its_thread_follows_the_microphones(tmp_path: Path, folder: DataFolder) -> None:
    from tests.live.conftest import Box, until

    box = Box(folder)
    history = History(box.microphones, box.clips, folder, box.settings, box.bus)
    try:
        history.start()
        tone = 0.2 * np.sin(2 * np.pi * 300 * np.arange(16_000 * 8) / 16_000)
        soundfile.write(tmp_path / "eight.wav", tone, 16_000)
        microphone = box.replay(tmp_path / "eight.wav", options="speed=8")
        until(lambda: box.microphones.get("yard").status.state == "ended", "the end")
        until(lambda: history.flush() or history.minutes().get(microphone), "a minute")
        history.stop()
        minutes = history.minutes()[microphone]
        assert sum(one.seconds for one in minutes) > 4
        assert minutes[0].speed == 8
    finally:
        history.stop()
        box.close()
