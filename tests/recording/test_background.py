"""Background is gathered over a time, and never while something sounds."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.audio.source import Chunk
from appliance.errors import InvalidInput, MicrophoneError, NotFound
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.library.filters import ClipFilter
from appliance.recording.background import Background
from appliance.recording.daily_background import DailyBackground, real
from appliance.recording.gathering import Gathering, plan_starts
from appliance.recording.microphones import Microphones
from tests.recording.conftest import RATE, until

LOUD = ((5.0, 6.0), (9.5, 10.5), (14.0, 18.0))


def quiet_with_sounds(seconds: float) -> np.ndarray:
    """Quiet noise with a loud tone at the times of LOUD."""
    rng = np.random.default_rng(5)
    samples = 0.001 * rng.standard_normal(round(seconds * RATE))
    for start, end in LOUD:
        times = np.arange(round(start * RATE), min(round(end * RATE), len(samples)))
        samples[times] += 0.3 * np.sin(2 * np.pi * 700 * times / RATE)
    return samples.astype(np.float32)


def chunks(samples: np.ndarray) -> list[Chunk]:
    size = RATE // 10
    return [
        Chunk("m", 1, RATE, samples[at : at + size], at, at * 1_000_000_000 // RATE)
        for at in range(0, len(samples), size)
    ]


def overlaps_a_sound(start: float, end: float) -> bool:
    return any(start < loud_end and loud_start < end for loud_start, loud_end in LOUD)


def test_samples_are_spread_over_the_time_and_do_not_overlap() -> None:
    starts = plan_starts(20, 600.0, 5.0, random.Random(1))
    assert len(starts) == 20
    for number, start in enumerate(starts):
        assert number * 30.0 <= start <= (number + 1) * 30.0 - 5.0
    tight = plan_starts(4, 0.0, 2.0, random.Random(1))
    assert tight == [0.0, 2.0, 4.0, 6.0]


def test_loud_moments_are_skipped_and_tried_again() -> None:
    gathering = Gathering([0.0, 4.0, 8.5, 13.0], 2.0)
    parts = [part for c in chunks(quiet_with_sounds(40)) for part in gathering.push(c)]
    assert gathering.done
    assert len(parts) == gathering.gathered == 4
    assert gathering.skipped >= 2
    for part in parts:
        assert len(part.samples) == 2 * RATE
        start = part.frame / RATE
        assert not overlaps_a_sound(start, start + 2.0), f"a sound in {start:.1f} s"
    assert gathering.next_in_s is None


def test_a_gap_in_the_stream_drops_the_sample() -> None:
    given = chunks(quiet_with_sounds(5))
    del given[15]
    gathering = Gathering([1.2], 2.0)
    parts = [part for chunk in given for part in gathering.push(chunk)]
    assert gathering.skipped == 1
    for part in parts:
        assert part.frame >= 16 * RATE // 10
        assert part.lost_frames == 0


@pytest.mark.parametrize(("value", "state"), [(0.0, "silent"), (0.25, "stuck")])
def test_what_is_no_sound_is_waited_out(value: float, state: str) -> None:
    flat = np.full(12 * RATE, value, dtype=np.float32)
    noise = (0.001 * np.random.default_rng(3).standard_normal(30 * RATE)).astype(np.float32)
    gathering = Gathering([0.0, 4.0], 0.5)
    given = chunks(np.concatenate([flat, noise[: 6 * RATE], flat, noise[6 * RATE :]]))
    parts = []
    for number, chunk in enumerate(given):
        made = gathering.push(chunk)
        parts += made
        if 5 < number < 120:
            assert (made, gathering.heard, gathering.gathered) == ([], state, 0)
            assert gathering.elapsed_s < 1, "time stands still"
    assert gathering.done
    for part in parts:
        assert len(np.unique(part.samples)) > 100
        assert float(np.abs(part.samples).max()) < 0.01


@pytest.fixture
def background(microphones: Microphones, clips: Clips, bus: EventBus) -> Iterator[Background]:
    service = Background(microphones, clips, bus)
    service.start()
    yield service
    service.stop()


def test_it_gathers_labelled_clips_and_shows_its_progress(
    microphones: Microphones, background: Background, clips: Clips, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "room.wav", quiet_with_sounds(60), RATE)
    microphones.add(f"replay:{tmp_path / 'room.wav'}?speed=20", "room")
    until(lambda: microphones.get("room").status.frames, "the microphone to run")
    begun = background.begin("room", 5, 25.0, 2.0, "background", "ann")
    assert (begun.state, begun.gathered) == ("gathering", 0)
    until(lambda: background.get(begun.id).state == "done", "the background")
    done = background.get(begun.id)
    assert (done.gathered, done.next_in_s) == (5, None)
    for clip in map(clips.get, done.clips):
        assert (clip.label, clip.source, clip.duration_s) == ("background", "background", 2.0)
        assert clip.frame is not None
        start = clip.frame / RATE
        assert not overlaps_a_sound(start, start + 2.0)
        assert clip.rms_dbfs < -55
    assert [task.id for task in background.all()] == [begun.id]


def test_a_silent_microphone_gives_nothing_and_equal_sound_counts_once(
    microphones: Microphones, background: Background, clips: Clips, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "mute.wav", np.zeros(60 * RATE, np.float32), RATE)
    mute = microphones.add(f"replay:{tmp_path / 'mute.wav'}?speed=20&loop=1", "mute")
    waiting = background.begin("mute", 3, 2.0, 0.5)
    until(lambda: microphones.get("mute").status.frames > 30 * RATE, "half a minute of zeros")
    task = background.get(waiting.id)
    assert (task.state, task.gathered, task.clips) == ("gathering", 0, [])
    assert task.detail == "waiting: the microphone is silent"
    assert clips.page(ClipFilter(microphone=mute.id)).items == []

    # A second of sound that repeats: the same samples come again and again.
    second = (0.01 * np.random.default_rng(8).standard_normal(RATE)).astype(np.float32)
    soundfile.write(tmp_path / "fan.wav", np.tile(second, 60), RATE)
    microphones.add(f"replay:{tmp_path / 'fan.wav'}?speed=20&loop=1", "fan")
    begun = background.begin("fan", 3, 0.0, 1.0)
    until(lambda: background.get(begun.id).skipped > 0, "a sound that it has already")
    task = background.get(begun.id)
    assert task.gathered == len(task.clips) == len(set(task.clips))


def test_cancelling_keeps_what_was_gathered_and_says_so(
    microphones: Microphones, background: Background, clips: Clips, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "room.wav", quiet_with_sounds(60), RATE)
    microphones.add(f"replay:{tmp_path / 'room.wav'}?speed=10&loop=1", "room")
    begun = background.begin("room", 100, 3600.0, 0.5)
    first = background.begin("room", 1, 0.0, 0.5)
    until(lambda: background.get(first.id).state == "done", "the first sample")
    cancelled = background.cancel(begun.id)
    assert cancelled.state == "cancelled"
    assert background.cancel(begun.id).state == "cancelled"
    assert clips.get(background.get(first.id).clips[0]).label is None
    assert [task.id for task in background.all()] == [first.id, begun.id]


def test_it_ends_when_its_microphone_goes_for_good(
    microphones: Microphones, background: Background, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "room.wav", quiet_with_sounds(30), RATE)
    microphones.add(f"replay:{tmp_path / 'room.wav'}", "room")
    begun = background.begin("room", 10, 600.0)
    microphones.update("room", {"enabled": False})
    ended = background.get(begun.id)
    assert (ended.state, ended.detail) == (
        "incomplete",
        "its microphone was disabled or removed",
    )
    with pytest.raises(MicrophoneError, match="disabled"):
        background.begin("room", 1, 0.0)


def test_what_means_nothing_is_refused(
    microphones: Microphones, background: Background, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "room.wav", quiet_with_sounds(20), RATE)
    microphones.add(f"replay:{tmp_path / 'room.wav'}", "room")
    for samples, over_s, seconds in ((0, 10.0, 1.0), (3, -1.0, 1.0), (3, 10.0, 61.0)):
        with pytest.raises(InvalidInput):
            background.begin("room", samples, over_s, seconds)
    with pytest.raises(NotFound):
        background.begin("nobody", 1, 0.0)
    with pytest.raises(NotFound):
        background.get(9)


def test_the_box_offers_background_by_itself_until_enough_waits(
    microphones: Microphones, background: Background, clips: Clips, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "room.wav", 0.2 * quiet_with_sounds(60), RATE)
    view = microphones.add(f"replay:{tmp_path / 'room.wav'}?speed=30&loop=1", "room")
    assert not real(view)  # a replay has no day
    daily = DailyBackground(background, microphones, clips, 3, day_s=30.0, wanted=lambda view: True)
    daily.look()
    daily.look()  # one is under way
    assert [task.state for task in background.all()] == ["gathering"]
    until(lambda: background.all()[0].state == "done", "the samples")
    for identifier in background.all()[0].clips:
        clip = clips.get(identifier)
        assert (clip.label, clip.source) == (None, "background")
        assert clip.extra == {"suggested": "background"}
    assert daily.waiting(view.id) == 3
    clips.set_label(background.all()[0].clips[:2], "background", "ann", create=True)
    assert daily.waiting(view.id) == 1
    daily.look()  # the day is over
    assert len(background.all()) == 2
    microphones.update("room", {"listen": False})
    until(lambda: all(t.state != "gathering" for t in background.all()), "the second day")
    daily.look()
    assert len(background.all()) == 2
