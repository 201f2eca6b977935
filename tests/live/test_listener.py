"""The whole of listening: a replayed scene, a real ONNX model, events, rows and clips."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.audio.flac import read_flac
from appliance.live import detector
from appliance.paths import DataFolder
from appliance.settings import AudioSettings, ListenSettings, Settings
from tests.live.conftest import Box, until
from tests.live.tones import HIGH_HZ, LOW_HZ, MID_HZ, scene


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test machine that is busy with other things shall not cost a window here; what lateness
    costs is tested in test_detector.py."""
    monkeypatch.setattr(detector, "LATEST_S", 60.0)


LABELS = {"low": LOW_HZ, "high": HIGH_HZ}
# Start, length, frequency: a click of a tone, a long one, one of half a second, and the same again.
SOUNDS = [
    (3.0, 0.12, LOW_HZ),
    (6.0, 3.0, HIGH_HZ),
    (12.0, 0.5, LOW_HZ),
    (15.5, 0.5, LOW_HZ),
]
ORDER = ["low", "high", "low", "low"]


@pytest.mark.parametrize(("rate", "speed"), [(16_000, 8), (44_100, 8), (48_000, 8)])
def test_each_sound_is_one_event_with_its_clip(
    box: Box, tmp_path: Path, rate: int, speed: int
) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(20, SOUNDS, rate), rate)
    version = box.deploy(LABELS)
    microphone = box.replay(tmp_path / "scene.wav", options=f"speed={speed}")
    box.played()
    heard = box.heard()
    assert [detection.label for detection in heard] == ORDER
    first_ns = box.clips.get(heard[0].clip or 0)
    began_ns = first_ns.monotonic_ns - round((first_ns.frame or 0) / rate / speed * 1e9)
    for detection, (start, length, hz) in zip(heard, SOUNDS, strict=True):
        assert (detection.microphone, detection.version) == (microphone, version)
        assert detection.peak >= detection.score >= 0.6
        assert detection.deployment == box.deployments.current().id  # type: ignore[union-attr]
        onset_s = (detection.monotonic_ns - began_ns) / 1e9 * speed
        assert onset_s == pytest.approx(start, abs=0.06)
        assert detection.ended_at is not None
        lasted_s = (detection.ended_at - detection.started_at) * speed
        assert lasted_s == pytest.approx(length, abs=1.0)
        assert 0 < detection.delay_ms < detection.onset_delay_ms
        assert detection.review is None
        clip = box.clips.get(detection.clip or 0)
        assert (clip.label, clip.source, clip.microphone) == (None, "detection", microphone)
        assert clip.extra["suggested"] == detection.label
        assert clip.extra["score"] == pytest.approx(detection.score)
        assert clip.duration_s == pytest.approx(5.0, abs=0.6)
        assert (clip.frame or 0) / rate == pytest.approx(max(0, start - 2.0), abs=0.06)
        sound, _ = read_flac(box.clips.path(clip))
        loud = sound[round(2.0 * rate) : round((2.0 + min(length, 2.9)) * rate)]
        if start >= 2.0:
            spectrum = np.abs(np.fft.rfft(loud))
            assert np.argmax(spectrum) * rate / len(loud) == pytest.approx(hz, abs=20)
    judged, missed = box.listener.windows()
    assert missed == 0
    assert judged >= (20 - 1) / 0.3 - 2
    told = [event.data["what"] for event in box.told if event.topic == "detection"]
    assert {what: told.count(what) for what in set(told)} == {"new": 4, "ended": 4, "clip": 4}


def test_what_is_heard_now_is_shown_below_the_threshold_too(box: Box, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(12, [(4.0, 0.05, LOW_HZ)]), 16_000)
    box.deploy(LABELS)
    box.thresholds.set("low", 0.99)
    microphone = box.replay(tmp_path / "scene.wav")
    hearing = until(
        lambda: (found := box.listener.hearing()[microphone])["rejected"] and found, "a refusal"
    )
    assert [entry["label"] for entry in hearing["rejected"]] == ["low"]
    assert hearing["rejected"][0]["reason"].endswith("under 0.99")
    assert {entry["label"] for entry in hearing["top"]} == {"background", "low", "high"}
    assert hearing["version"] == "V001"
    assert hearing["resets"] == hearing["missed"] == 0
    assert box.heard() == []
    shown = [event for event in box.told if event.topic == "hearing"]
    assert shown
    assert shown[-1].data["microphones"].keys() == {microphone}
    gaps = np.diff([event.at for event in shown])
    assert (gaps >= 0.24).all(), "at most four times a second"


def test_many_microphones_share_one_detector(box: Box, tmp_path: Path) -> None:
    box.deploy(LABELS)
    for number, (start, hz) in enumerate([(2.0, LOW_HZ), (3.0, HIGH_HZ), (4.5, LOW_HZ)]):
        file = tmp_path / f"scene{number}.wav"
        soundfile.write(file, scene(9, [(start, 0.4, hz)]), 16_000)
        box.replay(file, f"mic{number}", "speed=6")
    for number in range(3):
        box.played(f"mic{number}")
    found = {detection.microphone[-10:]: detection.label for detection in box.heard()}
    assert found == {"scene0.wav": "low", "scene1.wav": "high", "scene2.wav": "low"}
    assert len(box.heard()) == 3
    assert len(box.listener.hearing()) == 3


def test_a_hot_swap_loses_no_window_and_no_sound(box: Box, tmp_path: Path) -> None:
    """Other labels, another window and another rate, while a sound is going on."""
    sounds = [(2.0, 0.3, LOW_HZ), (6.0, 9.0, HIGH_HZ), (17.0, 0.3, MID_HZ), (20.0, 0.3, LOW_HZ)]
    soundfile.write(tmp_path / "scene.wav", scene(24, sounds), 16_000)
    box.deploy(LABELS)
    second = box.version({"high": HIGH_HZ, "mid": MID_HZ}, rate=8_000, window_s=2.0)
    microphone = box.replay(tmp_path / "scene.wav", options="speed=4")
    until(lambda: "high" in box.listener.hearing()[microphone]["active"], "the long sound")
    before = box.listener.hearing()[microphone]["windows"]
    box.deployments.deploy(second)
    until(lambda: box.listener.hearing()[microphone]["version"] == second, "the swap")
    box.played()
    heard = box.heard()
    # One event for the long sound; the second model knows no "low".
    assert [(d.label, d.version) for d in heard] == [
        ("low", "V001"),
        ("high", "V001"),
        ("mid", "V002"),
    ]
    long = heard[1]
    assert long.ended_at is not None
    assert (long.ended_at - long.started_at) * 4 == pytest.approx(9.0, abs=1.5)
    after = box.listener.hearing()[microphone]
    assert after["resets"] == after["missed"] == 0
    # Every hop of the scene was judged: 0.3 s apart before, 0.5 s after.
    swapped_s = 1.0 + 0.3 * before
    assert after["windows"] - before >= (24 - swapped_s) / 0.5 - 3
    assert after["windows"] - before <= (24 - swapped_s) / 0.3 + 2


def test_before_a_version_is_deployed_nothing_is_judged_and_then_it_begins_at_once(
    box: Box, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(14, [(12.0, 0.3, LOW_HZ)]), 16_000)
    microphone = box.replay(tmp_path / "scene.wav", options="speed=4")
    until(lambda: box.microphones.get("yard").status.frames > 16_000, "a second of sound")
    assert box.listener.hearing()[microphone]["windows"] == 0
    assert box.listener.hearing()[microphone]["version"] is None
    box.deploy(LABELS)
    hearing = until(
        lambda: (h := box.listener.hearing()[microphone])["windows"] and h, "the first window"
    )
    assert hearing["version"] == "V001"
    box.played()
    assert [detection.label for detection in box.heard()] == ["low"]


def test_a_restart_listens_again_by_itself(folder: DataFolder, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(12, [(2.0, 9.0, LOW_HZ)]), 16_000)
    box = Box(folder)
    try:
        box.deploy(LABELS)
        box.thresholds.set("low", 0.6)
        box.replay(tmp_path / "scene.wav", options="speed=2")
        until(box.heard, "the sound")
    finally:
        box.close()
    again = Box(folder)
    try:
        (first,) = [d for d in again.heard() if d.id == 1]
        assert first.ended_at is not None
        assert first.clip is not None, "the clip is stored with what there was"
        until(lambda: len(again.heard()) == 2, "the sound once more")
        assert again.heard()[1].version == "V001"
        assert again.thresholds.get("low") == 0.6
    finally:
        again.close()


def test_what_a_killed_daemon_left_sounding_is_ended(folder: DataFolder, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(12, [(2.0, 9.0, LOW_HZ)]), 16_000)
    box = Box(folder)
    try:
        box.deploy(LABELS)
        box.replay(tmp_path / "scene.wav", options="speed=2")
        found = until(box.heard, "the sound")
        with box.db.write() as tx:
            tx.conn.execute("UPDATE detections SET ended_at = NULL")
        assert box.detections.close_open() == 1
        assert box.detections.get(found[0].id).ended_at == found[0].started_at
    finally:
        box.close()


def test_a_microphone_that_is_not_to_be_listened_to_is_left_alone(box: Box, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(30, [(2.0, 27.0, LOW_HZ)]), 16_000)
    box.deploy(LABELS)
    microphone = box.replay(tmp_path / "scene.wav", options="speed=2")
    (sounding,) = until(box.heard, "the sound")
    box.microphones.update("yard", {"listen": False})
    until(lambda: box.detections.get(sounding.id).ended_at, "its end")
    assert microphone not in box.listener.hearing()
    judged = box.listener.windows()
    box.microphones.update("yard", {"listen": True})
    until(lambda: len(box.heard()) == 2, "the sound once more")
    assert box.listener.windows()[0] > judged[0], "the sums only grow"


def test_a_dead_capture_ends_what_sounds_and_listening_goes_on_after_it(
    box: Box, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(60, [(1.0, 58.0, LOW_HZ)]), 16_000)
    box.deploy(LABELS)
    microphone = box.replay(tmp_path / "scene.wav", options="speed=1")
    (sounding,) = until(box.heard, "the sound")
    pid = box.microphones.capture("yard").child_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    until(lambda: box.listener.hearing()[microphone]["resets"] == 1, "the microphone to return")
    assert box.listener.hearing()[microphone]["lost_frames"] == 0
    assert box.microphones.get("yard").status.away_s > 0
    until(lambda: box.detections.get(sounding.id).clip, "the clip")
    clip = box.clips.get(box.detections.get(sounding.id).clip or 0)
    assert clip.duration_s <= 5.0


def test_without_clips_none_is_kept(folder: DataFolder, tmp_path: Path) -> None:
    soundfile.write(tmp_path / "scene.wav", scene(6, [(2.0, 0.3, LOW_HZ)]), 16_000)
    settings = Settings(listen=ListenSettings(keep_clips=False), audio=AudioSettings(ring_s=5.0))
    box = Box(folder, settings)
    try:
        box.deploy(LABELS)
        box.replay(tmp_path / "scene.wav")
        until(lambda: box.microphones.get("yard").status.state == "ended", "the end")
        (detection,) = until(box.heard, "the sound")
        until(lambda: box.detections.get(detection.id).ended_at, "its end")
        assert box.detections.get(detection.id).clip is None
        assert box.clips.count() == 0
    finally:
        box.close()
