"""A scene's truth is true: what the timetable says is what the samples hold."""

from __future__ import annotations

import json
import wave
from pathlib import Path

import numpy as np
import pytest

from appliance.demo.scene import Event, Scene, compose, write_wav
from appliance.demo.signals import Samples
from appliance.demo.sounds import EVENTS
from appliance.demo.surroundings import BACKGROUNDS


@pytest.fixture(scope="module")
def composed() -> tuple[Scene, Samples]:
    return compose("test", 7, times=2)


def level_db(samples: Samples) -> float:
    return float(10 * np.log10(np.mean(samples**2) + 1e-12))


def test_every_label_sounds_as_often_as_asked(composed: tuple[Scene, Samples]) -> None:
    scene, samples = composed
    assert sorted(event.label for event in scene.events) == sorted([*EVENTS, *EVENTS])
    assert len(samples) == round(scene.duration_s * scene.rate)
    assert np.max(np.abs(samples)) < 1


def test_truth_agrees_with_the_energy(composed: tuple[Scene, Samples]) -> None:
    scene, samples = composed
    rate = scene.rate
    quiet_from = 0.0
    for event in scene.events:
        # Quiet before it, loud in it, and its loudest moment is inside.
        before = samples[int(quiet_from * rate) : int((event.start_s - 0.05) * rate)]
        inside = samples[int(event.start_s * rate) : int(event.end_s * rate)]
        assert level_db(before) < scene.background_dbfs + 6, event
        assert level_db(inside) > scene.background_dbfs + 8, event
        first = inside[: int(0.06 * rate)]
        assert level_db(first) > level_db(before) + 3, event
        assert event.start_s - quiet_from > 1.5
        quiet_from = event.end_s + 0.3
    assert quiet_from < scene.duration_s


def test_the_same_seed_gives_the_same_scene_and_another_shares_no_sound(
    composed: tuple[Scene, Samples],
) -> None:
    scene, samples = composed
    again, same = compose("test", 7, times=2)
    assert again == scene
    np.testing.assert_array_equal(samples, same)
    other, other_samples = compose("test", 8, times=2)
    assert [event.label for event in other.events] != [event.label for event in scene.events]
    assert other.background_dbfs != scene.background_dbfs
    pitches = {_peak(scene, samples, e) for e in scene.events if e.label == "smoke alarm"}
    others = {_peak(other, other_samples, e) for e in other.events if e.label == "smoke alarm"}
    assert len(pitches) == len(others) == 2
    assert not pitches & others


def _peak(scene: Scene, samples: Samples, event: Event) -> float:
    part = samples[int(event.start_s * scene.rate) : int(event.end_s * scene.rate)]
    spectrum = np.abs(np.fft.rfft(part, 1 << 18))
    return float(np.argmax(spectrum) * scene.rate / (1 << 18))


def test_background_alone() -> None:
    scene, samples = compose("quiet", 3, times=0, lead_s=20.0)
    assert scene.events == ()
    assert scene.duration_s == 20
    assert scene.backgrounds == tuple(BACKGROUNDS)
    assert scene.during(0, 20) == []
    assert level_db(samples) == pytest.approx(scene.background_dbfs, abs=3)


def test_what_sounds_during_a_stretch() -> None:
    events = (Event("doorbell", 4.0, 6.0), Event("dog bark", 8.0, 9.0))
    scene = Scene("s", 0, 48_000, 12.0, -50.0, ("rain",), events)
    assert scene.during(3.0, 5.0) == [events[0]]
    assert scene.during(5.8, 9.0) == list(events)
    assert scene.during(6.5, 7.5) == []
    assert scene.during(3.0, 4.01) == []


def test_written_as_16_bit_wav_with_the_truth_beside_it(tmp_path: Path) -> None:
    scene, samples = compose("small", 1, times=1, labels=["smoke alarm"], backgrounds=["fan"])
    write_wav(samples, scene.rate, tmp_path / "small.wav")
    scene.save_truth(tmp_path / "small.json")
    with wave.open(str(tmp_path / "small.wav")) as file:
        assert (file.getnchannels(), file.getsampwidth(), file.getframerate()) == (1, 2, 48_000)
        read = np.frombuffer(file.readframes(file.getnframes()), "<i2") / 32767
    np.testing.assert_allclose(read, samples, atol=2 / 32767)
    truth = json.loads((tmp_path / "small.json").read_text())
    assert truth["events"][0]["label"] == "smoke alarm"
    assert truth["duration_s"] == pytest.approx(len(samples) / 48_000)
