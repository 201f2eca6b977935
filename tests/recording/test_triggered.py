"""The box records what rises above the background, and says where in the stream it lies."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.audio.flac import read_flac
from appliance.errors import InvalidInput, NotFound
from appliance.events import EventBus
from appliance.library.clip import Clip
from appliance.library.clips import Clips
from appliance.library.filters import ClipFilter
from appliance.library.microphones import MicrophoneRecords
from appliance.recording.microphones import Microphones
from appliance.recording.triggered import Triggers
from appliance.settings import Settings
from appliance.store.database import Database
from tests.recording.conftest import RATE, until

# Seconds where a sound begins, and how long each lasts.
SOUNDS = (4.0, 8.0, 12.0)
LENGTH_S = 0.4


def scene(file: Path) -> np.ndarray:
    """16 s of quiet noise with three tones in it; returns what a listener gets, as 16 bits."""
    rng = np.random.default_rng(3)
    samples = 0.001 * rng.standard_normal(16 * RATE)
    time = np.arange(round(LENGTH_S * RATE)) / RATE
    for number, start in enumerate(SOUNDS):
        at = round(start * RATE)
        samples[at : at + len(time)] += 0.3 * np.sin(2 * np.pi * (500 + 300 * number) * time)
    pcm = np.rint(samples * 32768).astype(np.int16)
    soundfile.write(file, pcm, RATE)
    return pcm


@pytest.fixture
def triggers(microphones: Microphones, clips: Clips, bus: EventBus) -> Iterator[Triggers]:
    service = Triggers(microphones, clips, bus, Settings())
    service.start()
    yield service
    service.stop()


def stored(clips: Clips) -> list[Clip]:
    return sorted(clips.page(ClipFilter(source="trigger")).items, key=lambda clip: clip.frame or 0)


def ended(microphones: Microphones, key: str) -> None:
    until(lambda: microphones.get(key).status.state == "ended", "the scene to end")


def test_each_sound_becomes_an_unlabelled_clip_that_says_where_it_lies(
    microphones: Microphones, triggers: Triggers, clips: Clips, tmp_path: Path
) -> None:
    pcm = scene(tmp_path / "scene.wav")
    microphones.add(f"replay:{tmp_path / 'scene.wav'}?speed=8", "desk")
    state = triggers.set("desk", {"postroll_s": 0.5})
    assert state.on
    assert state.settings["postroll_s"] == 0.5
    assert state.settings["preroll_s"] == Settings().trigger.preroll_s
    ended(microphones, "desk")
    until(lambda: triggers.state("desk").clips == 3, "three clips")
    found = stored(clips)
    assert len(found) == 3
    assert len({clip.session for clip in found}) == 1, "seconds apart: one session"
    for clip, start in zip(found, SOUNDS, strict=True):
        assert (clip.label, clip.source) == (None, "trigger")
        assert clip.frame is not None
        sound = np.rint(read_flac(clips.path(clip))[0] * 32768).astype(np.int16)
        np.testing.assert_array_equal(sound, pcm[clip.frame : clip.frame + len(sound)])
        begins = clip.frame / RATE
        assert start - 0.6 <= begins <= start - 0.4, "half a second of pre-roll"
        assert clip.duration_s == pytest.approx(0.5 + LENGTH_S + 0.5, abs=0.1)
        assert clip.extra["onset_s"] == pytest.approx(start - begins, abs=0.05)
        assert clip.extra["ended"] == "fell"
    gap_ns = found[1].monotonic_ns - found[0].monotonic_ns
    assert found[0].frame is not None
    assert found[1].frame is not None
    assert gap_ns == pytest.approx((found[1].frame - found[0].frame) / RATE / 8 * 1e9, rel=1e-3)
    state = triggers.state("desk")
    assert (state.this_hour, state.limited, state.missed, state.recording) == (3, False, 0, False)
    assert state.last_at is not None
    assert state.background_dbfs == pytest.approx(-60, abs=3)
    assert state.trigger_dbfs == pytest.approx(state.background_dbfs + 10)


def test_the_limit_an_hour_holds_and_what_it_cost_is_shown(
    microphones: Microphones, triggers: Triggers, clips: Clips, tmp_path: Path
) -> None:
    scene(tmp_path / "scene.wav")
    microphones.add(f"replay:{tmp_path / 'scene.wav'}?speed=16", "desk")
    triggers.set("desk", {"max_per_hour": 2})
    ended(microphones, "desk")
    until(lambda: triggers.state("desk").clips == 2, "two clips")
    state = triggers.state("desk")
    assert (state.this_hour, state.limited, state.missed) == (2, True, 1)
    assert len(stored(clips)) == 2


def test_off_records_nothing_and_on_survives_a_restart(
    microphones: Microphones,
    triggers: Triggers,
    clips: Clips,
    bus: EventBus,
    db: Database,
    tmp_path: Path,
) -> None:
    scene(tmp_path / "scene.wav")
    microphones.add(f"replay:{tmp_path / 'scene.wav'}?speed=16", "desk")
    triggers.set("desk", {"rise_db": 12.0})
    assert not triggers.set("desk", None).on
    ended(microphones, "desk")
    assert stored(clips) == []
    triggers.set("desk", {"rise_db": 12.0})
    triggers.stop()
    microphones.stop()

    again = Microphones(MicrophoneRecords(db), bus, Settings())
    again.start()
    after = Triggers(again, clips, bus, Settings())
    after.start()
    try:
        state = after.state("desk")
        assert (state.on, state.settings["rise_db"]) == (True, 12.0)
        until(lambda: after.state("desk").clips == 3, "three clips")
    finally:
        after.stop()
        again.stop()


def test_a_microphone_that_is_disabled_and_enabled_again_is_watched_again(
    microphones: Microphones, triggers: Triggers, clips: Clips, tmp_path: Path
) -> None:
    scene(tmp_path / "scene.wav")
    microphones.add(f"replay:{tmp_path / 'scene.wav'}?speed=16", "desk", enabled=False)
    triggers.set("desk", {})
    assert triggers.state("desk").background_dbfs is None
    microphones.update("desk", {"enabled": True})
    until(lambda: triggers.state("desk").clips == 3, "three clips")
    assert len(stored(clips)) == 3


def test_a_setting_that_means_nothing_is_refused(
    microphones: Microphones, triggers: Triggers, tmp_path: Path
) -> None:
    scene(tmp_path / "scene.wav")
    microphones.add(f"replay:{tmp_path / 'scene.wav'}", "desk")
    with pytest.raises(InvalidInput, match=r"unknown setting 'trigger.rise'"):
        triggers.set("desk", {"rise": 3})
    with pytest.raises(InvalidInput, match="outside 1 to 60"):
        triggers.set("desk", {"rise_db": 300.0})
    with pytest.raises(NotFound):
        triggers.set("nobody", {})
    assert not triggers.state("desk").on
