"""Recordings through a real capture of a replayed file whose samples count the frames."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.audio.flac import read_flac
from appliance.errors import InvalidInput, LowSpace, MicrophoneError, NotFound
from appliance.events import Event, EventBus
from appliance.library.clip import Clip
from appliance.library.clips import Clips
from appliance.library.filters import ClipFilter
from appliance.recording.microphones import Microphones
from appliance.recording.recorder import Recorder
from tests.recording.conftest import RATE, counting, until


@pytest.fixture
def recorder(
    microphones: Microphones, clips: Clips, bus: EventBus, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Recorder]:
    # Much faster than real time a busy disk comes late; here all of it waits.
    monkeypatch.setattr("appliance.recording.take.WAITING_LIMIT_S", 180.0)
    service = Recorder(microphones, clips, bus)
    service.start()
    yield service
    service.stop()


def pcm(clips: Clips, clip: Clip) -> np.ndarray:
    samples, rate = read_flac(clips.path(clip))
    assert rate == RATE
    return np.rint(samples * 32768).astype(np.int16)


def run_until_ended(recorder: Recorder, identifier: int) -> None:
    until(
        lambda: recorder.get(identifier).state not in ("recording", "storing"),
        "the recording to end",
    )


def hears(microphones: Microphones, key: str) -> None:
    until(lambda: microphones.get(key).status.frames > 0, "the microphone to run")


def test_a_long_recording_is_consecutive_clips_without_a_missing_sample(
    microphones: Microphones, recorder: Recorder, clips: Clips, tmp_path: Path
) -> None:
    file = tmp_path / "ten minutes.wav"  # a busy machine begins the recording late
    soundfile.write(file, counting(600 * RATE), RATE)
    microphones.add(f"replay:{file}?speed=40", "desk")
    hears(microphones, "desk")
    (begun,) = recorder.begin(["desk"], 130.0, label="counting", author="ann")
    assert begun.state == "recording"
    run_until_ended(recorder, begun.id)
    done = recorder.get(begun.id)
    assert (done.state, done.detail, done.lost_frames) == ("stored", "", 0)
    assert done.elapsed_s == pytest.approx(130.0)
    stored = [clips.get(identifier) for identifier in done.clips]
    assert [clip.duration_s for clip in stored] == [60.0, 60.0, 10.0]
    assert [clip.start_s for clip in stored] == [0.0, 60.0, 120.0]
    assert {clip.session for clip in stored} == {done.session}
    assert {(clip.label, clip.source, clip.microphone) for clip in stored} == {
        ("counting", "recording", begun.microphone)
    }
    whole = np.concatenate([pcm(clips, clip) for clip in stored])
    first = stored[0].frame
    assert first is not None
    np.testing.assert_array_equal(whole, counting(600 * RATE)[first : first + 130 * RATE])
    assert [clip.frame for clip in stored] == [first, first + 60 * RATE, first + 120 * RATE]
    # 60 s of sound at 40 times real time.
    assert stored[1].monotonic_ns - stored[0].monotonic_ns == pytest.approx(1.5e9, rel=1e-3)


def test_until_stopped_stores_the_rest_and_the_pre_roll(
    microphones: Microphones, recorder: Recorder, clips: Clips, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}?speed=4", "desk")
    until(lambda: microphones.get("desk").status.frames > 3 * RATE, "three seconds of sound")
    (begun,) = recorder.begin(["desk"], pre_roll_s=2.0)
    until(lambda: recorder.get(begun.id).elapsed_s > 4.0, "more than the pre-roll")
    done = recorder.finish(begun.id)
    assert done.state == "stored"
    assert done.pre_roll_s == pytest.approx(2.0)
    (clip,) = [clips.get(identifier) for identifier in done.clips]
    assert clip.label is None
    assert clip.frame is not None
    sound = pcm(clips, clip)
    np.testing.assert_array_equal(sound, counting(180 * RATE)[clip.frame : clip.frame + len(sound)])
    assert len(sound) > 4 * RATE
    assert recorder.finish(begun.id) == done, "stopping twice changes nothing"


def test_seconds_count_after_the_pre_roll(
    microphones: Microphones, recorder: Recorder, clips: Clips, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}?speed=8", "desk")
    until(lambda: microphones.get("desk").status.frames > 3 * RATE, "three seconds of sound")
    (begun,) = recorder.begin(["desk"], 1.0, pre_roll_s=0.5)
    run_until_ended(recorder, begun.id)
    (clip,) = [clips.get(identifier) for identifier in recorder.get(begun.id).clips]
    assert clip.duration_s == pytest.approx(1.5)


def test_several_microphones_at_once_are_one_session(
    microphones: Microphones, recorder: Recorder, clips: Clips, counter_file: Path
) -> None:
    for name in ("left", "right"):
        microphones.add(f"replay:{counter_file}?speed=8", name)
        hears(microphones, name)
    begun = recorder.begin(["left", "right", "left"], 2.0)
    assert len(begun) == 2
    assert len({recording.session for recording in begun}) == 1
    for recording in begun:
        run_until_ended(recorder, recording.id)
        (clip,) = [clips.get(i) for i in recorder.get(recording.id).clips]
        assert clip.duration_s == 2.0
        assert clip.microphone == recording.microphone
    assert recorder.active() == []
    assert [found.id for found in recorder.all()] == [begun[1].id, begun[0].id]


def kill_capture(microphones: Microphones, key: str) -> None:
    pid = microphones.capture(key).child_pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)


def test_a_recording_goes_on_when_its_microphone_comes_back(
    microphones: Microphones,
    recorder: Recorder,
    clips: Clips,
    bus: EventBus,
    counter_file: Path,
) -> None:
    told: list[str] = []
    bus.subscribe(
        lambda event: told.append(event.data["what"]) if event.topic == "recording" else None
    )
    microphones.add(f"replay:{counter_file}?speed=4", "desk")
    hears(microphones, "desk")
    (begun,) = recorder.begin(["desk"], label="counting")
    until(lambda: recorder.get(begun.id).elapsed_s > 1.0, "some sound")
    away = counter_file.with_suffix(".away")
    counter_file.rename(away)
    kill_capture(microphones, "desk")
    until(lambda: "waiting" in told, "the loss to be told")
    waiting = recorder.get(begun.id)
    assert waiting.state == "recording"
    assert waiting.detail.endswith("the recording goes on when it comes back")
    # What was recorded before is in the library, whatever comes of the microphone.
    (before,) = [clips.get(identifier) for identifier in waiting.clips]
    assert before.duration_s == pytest.approx(waiting.elapsed_s, abs=0.01)
    until(lambda: microphones.get("desk").status.state == "missing", "it to be missed")
    away.rename(counter_file)
    until(lambda: "resumed" in told, "it to go on")
    assert recorder.get(begun.id).detail == ""
    done = recorder.finish(begun.id)
    assert done.state == "incomplete"
    assert f"are missing: there is no {counter_file} to replay; it came back" in done.detail
    assert (done.lost_frames, done.clips[0]) == (0, before.id)
    after = clips.get(done.clips[1])
    assert after.start_s == pytest.approx(before.duration_s + done.gap_s, abs=0.01)
    assert after.start_s + after.duration_s == pytest.approx(done.elapsed_s, abs=0.01)
    assert (after.session, after.label) == (before.session, "counting")
    np.testing.assert_array_equal(pcm(clips, after), counting(len(pcm(clips, after))))


def test_a_recording_until_stopped_waits_for_its_microphone_and_is_stopped_without_it(
    microphones: Microphones, recorder: Recorder, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}", "desk")
    hears(microphones, "desk")
    (begun,) = recorder.begin(["desk"])
    until(lambda: recorder.get(begun.id).elapsed_s > 0.3, "some sound")
    counter_file.unlink()
    kill_capture(microphones, "desk")
    until(lambda: recorder.get(begun.id).detail, "the loss to be seen")
    assert recorder.get(begun.id).state == "recording"
    done = recorder.finish(begun.id)
    assert (done.state, len(done.clips)) == ("incomplete", 1)
    assert done.detail.startswith("when it was stopped: ")


def test_a_microphone_that_is_disabled_ends_its_recording(
    microphones: Microphones, recorder: Recorder, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}", "desk")
    hears(microphones, "desk")
    (begun,) = recorder.begin(["desk"], 60.0)
    until(lambda: recorder.get(begun.id).elapsed_s > 0.3, "some sound")
    microphones.update("desk", {"enabled": False})
    run_until_ended(recorder, begun.id)
    done = recorder.get(begun.id)
    assert (done.state, done.detail) == ("incomplete", "the microphone is stopped")
    assert len(done.clips) == 1


def test_a_replay_that_ends_ends_the_recording(
    microphones: Microphones, recorder: Recorder, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}?speed=100", "desk")
    hears(microphones, "desk")
    (begun,) = recorder.begin(["desk"], 3600.0)
    run_until_ended(recorder, begun.id)
    done = recorder.get(begun.id)
    assert (done.state, done.detail) == ("incomplete", "the replay is over")
    assert len(done.clips) >= 1


def test_stopping_the_daemon_stores_what_was_recorded(
    microphones: Microphones, clips: Clips, bus: EventBus, counter_file: Path
) -> None:
    recorder = Recorder(microphones, clips, bus)
    recorder.start()
    microphones.add(f"replay:{counter_file}?speed=4", "desk")
    hears(microphones, "desk")
    (begun,) = recorder.begin(["desk"])
    until(lambda: recorder.get(begun.id).elapsed_s > 1.0, "a second of sound")
    recorder.stop()
    done = recorder.get(begun.id)
    assert (done.state, done.detail) == ("stored", "the daemon stopped")
    (clip,) = [clips.get(identifier) for identifier in done.clips]
    assert clip.duration_s >= 1.0


def test_a_full_disk_is_told_and_does_not_stop_the_recording(
    microphones: Microphones,
    recorder: Recorder,
    clips: Clips,
    counter_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    real = clips.add_samples
    calls: list[int] = []

    def full_at_first(*args: object, **given: object) -> Clip:
        calls.append(1)
        if len(calls) == 1:
            raise LowSpace("the disk is full: nothing was written", "free some space")
        return real(*args, **given)  # type: ignore[arg-type]

    monkeypatch.setattr(clips, "add_samples", full_at_first)
    microphones.add(f"replay:{counter_file}?speed=40", "desk")
    hears(microphones, "desk")
    (begun,) = recorder.begin(["desk"], 90.0)
    run_until_ended(recorder, begun.id)
    done = recorder.get(begun.id)
    assert done.state == "incomplete"
    assert "could not be stored: the disk is full" in done.detail
    assert [clips.get(i).duration_s for i in done.clips] == [30.0]


def test_everybody_is_told(
    microphones: Microphones,
    recorder: Recorder,
    bus: EventBus,
    counter_file: Path,
) -> None:
    told: list[Event] = []
    bus.subscribe(lambda event: told.append(event) if event.topic == "recording" else None)
    microphones.add(f"replay:{counter_file}?speed=8", "desk")
    hears(microphones, "desk")
    (begun,) = recorder.begin(["desk"], 1.0)
    until(lambda: len(told) >= 3, "three events")
    assert [event.data["what"] for event in told] == ["started", "clip", "ended"]
    assert {event.data["recording"]["id"] for event in told} == {begun.id}
    assert told[-1].data["recording"]["state"] == "stored"


def test_what_cannot_be_recorded_is_refused_and_nothing_begins(
    microphones: Microphones, recorder: Recorder, clips: Clips, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}", "desk")
    microphones.add("replay:/no/such/file", "gone")
    until(lambda: microphones.get("gone").status.state == "missing", "it to be missed")
    with pytest.raises(NotFound, match="no microphone 'nobody'"):
        recorder.begin(["nobody"], 1.0)
    with pytest.raises(MicrophoneError, match="gone is missing"):
        recorder.begin(["desk", "gone"], 1.0)
    with pytest.raises(InvalidInput, match="not possible"):
        recorder.begin(["desk"], 0.0)
    with pytest.raises(InvalidInput, match="cannot be a label"):
        recorder.begin(["desk"], 1.0, label="a/b")
    with pytest.raises(NotFound):
        recorder.get(1)
    assert recorder.all() == []
    assert clips.page(ClipFilter()).items == []
