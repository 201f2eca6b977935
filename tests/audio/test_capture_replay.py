"""Capture through real child processes: every frame accounted for, whatever happens to them."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance import clock
from appliance.audio.capture import Capture
from appliance.errors import InvalidInput
from tests.audio.listening import RATE, counter_file, listening, unaccounted
from tests.bad_files import tone
from tests.waiting import process_state, until


def test_every_frame_of_a_replay_arrives_once_and_in_order(tmp_path: Path) -> None:
    count = counter_file(tmp_path / "a.wav", 12.34)
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=20") as (capture, heard):
        until(lambda: capture.status().state == "ended", "the replay does not end")
        status = capture.status()
    assert heard.frames == status.frames == count
    assert status.lost_frames == status.restarts == 0
    assert (status.rate, status.channels) == (RATE, 1)
    assert unaccounted(heard.chunks) == 0
    assert {chunk.stream for chunk in heard.chunks} == {1}
    assert heard.states == ["starting", "running", "ended", "stopped"]
    assert not any(chunk.samples.flags.writeable for chunk in heard.chunks)


def test_capture_times_are_the_clock_s_and_run_at_the_speed_of_the_replay(tmp_path: Path) -> None:
    counter_file(tmp_path / "a.wav", 8)
    before = clock.monotonic_ns()
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=10") as (capture, heard):
        until(lambda: capture.status().state == "ended", "the replay does not end")
    first, last = heard.chunks[0], heard.chunks[-1]
    assert before < first.captured_ns
    assert last.moment_ns(last.end_frame) <= clock.monotonic_ns()
    elapsed = last.moment_ns(last.end_frame) - first.captured_ns
    assert elapsed == pytest.approx(0.8e9, abs=1e3)
    for earlier, later in zip(heard.chunks, heard.chunks[1:], strict=False):
        assert later.captured_ns == pytest.approx(earlier.moment_ns(earlier.end_frame), abs=2)


def test_a_stopped_child_catches_up_without_a_loss(tmp_path: Path) -> None:
    count = counter_file(tmp_path / "a.wav", 20)
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=10") as (capture, heard):
        until(lambda: heard.frames > RATE, "nothing is heard")
        assert capture.child_pid is not None
        os.kill(capture.child_pid, signal.SIGSTOP)
        heard_before = heard.frames
        # Long enough to matter, shorter than a stall.
        before = clock.seconds()
        until(lambda: clock.seconds() - before > 1, "the clock stands still")
        os.kill(capture.child_pid, signal.SIGCONT)
        until(lambda: capture.status().state == "ended", "the replay does not end")
        assert heard_before < count
        assert capture.status().lost_frames == 0
    assert heard.frames == count
    assert unaccounted(heard.chunks) == 0


def test_kill_9_of_the_child_is_survived_and_counted(tmp_path: Path) -> None:
    counter_file(tmp_path / "a.wav", 600)
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=4") as (capture, heard):
        for stream in (1, 2):
            until(
                lambda stream=stream: bool(heard.chunks) and heard.chunks[-1].stream == stream,
                f"stream {stream} does not come",
            )
            pid = capture.child_pid
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            until(lambda: capture.status().state == "failed", "the death is not seen")
            assert "SIGKILL" in capture.status().detail
            assert capture.status().retry_in_s is not None
            assert capture.status().restarts == stream
        until(lambda: heard.chunks[-1].stream == 3, "it does not come back")
        status = capture.status()
    assert status.state == "running"
    assert status.retry_in_s is None
    assert unaccounted(heard.chunks) == 0
    # The frame numbers tell consumers of the time away; a running microphone lost nothing.
    assert status.lost_frames == 0
    away = sum(chunk.lost for chunk in heard.chunks)
    assert status.away_s * 4 * RATE == pytest.approx(away, abs=2)
    # What is delivered and what is reported as lost make up the whole time (at 4 x RATE), but for
    # what lay in the pipe of the dead child: that is part of the reported loss.
    first, last = heard.chunks[0], heard.chunks[-1]
    elapsed_s = (last.moment_ns(last.end_frame) - first.captured_ns) / 1e9
    accounted = heard.frames + sum(chunk.lost for chunk in heard.chunks)
    assert accounted == pytest.approx(elapsed_s * 4 * RATE, abs=len(heard.chunks))
    for before, after in zip(heard.chunks, heard.chunks[1:], strict=False):
        if before.stream != after.stream:
            assert after.frame == 0
            assert after.lost >= 4 * RATE  # at least the second of waiting


def test_a_child_that_hangs_is_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.audio.capture.STALL_S", 0.5)
    counter_file(tmp_path / "a.wav", 600)
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=4") as (capture, heard):
        until(lambda: heard.frames > 0, "nothing is heard")
        pid = capture.child_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        until(lambda: "stalled" in heard.states, "the stall is not seen")
        until(lambda: heard.chunks[-1].stream >= 2, "it does not come back")
        assert process_state(pid) == ""
        assert (capture.status().lost_frames, capture.status().away_s > 0.5) == (0, True)


def test_what_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    with listening(f"replay:{tmp_path / 'later.wav'}?speed=4") as (capture, heard):
        until(lambda: capture.status().state == "missing", "its absence is not seen")
        status = capture.status()
        assert "later.wav" in status.detail
        assert status.advice
        counter_file(tmp_path / "new.wav", 600)
        (tmp_path / "new.wav").rename(tmp_path / "later.wav")
        until(lambda: capture.status().state == "running", "it does not come by itself")
        until(lambda: heard.frames > 0, "nothing is heard")
    # It stays "missing" between the attempts instead of flickering.
    assert heard.states == ["starting", "missing", "running", "stopped"]


def test_a_file_that_is_no_sound_is_a_failure_with_a_cause(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("not a sound")
    with listening(f"replay:{tmp_path / 'a.wav'}") as (capture, _):
        until(lambda: capture.status().state == "failed", "the failure is not seen")
        assert "a.wav cannot be replayed" in capture.status().detail


def test_a_folder_is_replayed_in_order_at_the_rate_of_its_first_file(tmp_path: Path) -> None:
    folder = tmp_path / "sounds"
    (folder / "inner").mkdir(parents=True)
    soundfile.write(folder / "1.wav", tone(1.03, 48_000, 500), 48_000)
    stereo = np.repeat(tone(1, 16_000, 1000)[:, None], 2, axis=1)
    soundfile.write(folder / "2.flac", stereo, 16_000)
    soundfile.write(folder / "inner" / "3.ogg", tone(1, 44_100, 2000), 44_100)
    (folder / "notes.txt").write_text("no sound")
    with listening(f"replay:{folder}?speed=20") as (capture, heard):
        until(lambda: capture.status().state == "ended", "the replay does not end")
        assert (capture.status().rate, capture.status().channels) == (48_000, 1)
    joined = np.concatenate([chunk.samples for chunk in heard.chunks])
    assert len(joined) == pytest.approx(3.03 * 48_000, abs=5)
    for start, hertz in ((0, 500), (1.03, 1000), (2.03, 2000)):
        part = joined[round((start + 0.1) * 48_000) :][: 48_000 // 2]
        spectrum = np.abs(np.fft.rfft(part * np.hanning(len(part))))
        assert np.argmax(spectrum) * 2 == pytest.approx(hertz, abs=4)
    # Blocks run across the joints: only the last is short.
    assert {len(chunk.samples) for chunk in heard.chunks[:-1]} == {4_800}


def test_a_loop_does_not_end(tmp_path: Path) -> None:
    count = counter_file(tmp_path / "a.wav", 0.5)
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=20&loop=1") as (capture, heard):
        until(lambda: heard.frames > 10 * count, "it does not loop")
        assert capture.status().state == "running"


def test_channel_and_gain_may_change_while_it_runs(tmp_path: Path) -> None:
    left, right = np.full(RATE * 600, 0.25, "f4"), np.full(RATE * 600, -0.5, "f4")
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), RATE, subtype="PCM_16")
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=10", channel=0) as (capture, heard):

        def becomes(value: float) -> None:
            until(
                lambda: bool(heard.chunks) and abs(heard.chunks[-1].samples[0] - value) < 1e-3,
                f"the samples do not become {value}",
            )

        becomes(0.25)
        capture.channel = 1
        becomes(-0.5)
        capture.channel = None
        becomes(-0.125)
        capture.gain_db = 6.0206
        becomes(-0.25)
        capture.channel = 1
        becomes(-1.0)  # clipped, not wrapped


def test_digital_silence_and_a_stuck_value_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = (np.random.default_rng(0).standard_normal(RATE * 3) * 0.1).astype("f4")
    sound = np.concatenate([noise, np.zeros(RATE * 25), noise, np.full(RATE * 25, 0.3), noise])
    soundfile.write(tmp_path / "a.wav", sound, RATE, subtype="PCM_16")
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=40") as (capture, heard):
        until(lambda: capture.status().state == "ended", "the replay does not end")
    assert heard.states == [
        *("starting", "running", "silent", "running", "stuck", "running", "ended", "stopped"),
    ]


def test_the_level_is_shown_and_falls_with_the_microphone(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.wav", np.tile(tone(10, RATE), 60), RATE)
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=4") as (capture, heard):
        until(lambda: heard.frames > RATE, "nothing is heard")
        status = capture.status()
        assert status.peak_dbfs == pytest.approx(-6, abs=0.2)
        assert status.level_dbfs == pytest.approx(-9, abs=0.2)
    assert capture.status().level_dbfs == -120


def test_a_consumer_that_fails_harms_nobody(tmp_path: Path) -> None:
    count = counter_file(tmp_path / "a.wav", 3)
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=10") as (capture, heard):

        def fail(_: object) -> None:
            raise ValueError("on purpose")

        unsubscribe = capture.subscribe(fail)
        until(lambda: heard.frames > RATE, "nothing is heard")
        unsubscribe()
        unsubscribe()
        until(lambda: capture.status().state == "ended", "the replay does not end")
    assert heard.frames == count


def test_the_ring_keeps_the_last_seconds(tmp_path: Path) -> None:
    counter_file(tmp_path / "a.wav", 5)
    with listening(f"replay:{tmp_path / 'a.wav'}?speed=20", ring_seconds=2) as (capture, heard):
        until(lambda: capture.status().state == "ended", "the replay does not end")
        kept = capture.ring.last(1.0)
    assert kept.frame == 4 * RATE
    assert kept.rate == RATE
    np.testing.assert_array_equal(
        kept.samples, np.concatenate([chunk.samples for chunk in heard.chunks])[4 * RATE :]
    )


def test_stop_ends_the_child_at_once_in_any_state(tmp_path: Path) -> None:
    counter_file(tmp_path / "a.wav", 600)
    for source in (f"replay:{tmp_path / 'a.wav'}", f"replay:{tmp_path / 'missing.wav'}"):
        with listening(source) as (capture, heard):
            until(lambda heard=heard: len(heard.states) > 1, "nothing happens")
            pid = capture.child_pid
        assert capture.status().state == "stopped"
        assert pid is None or process_state(pid) == ""


def test_the_child_ends_with_its_parent(tmp_path: Path) -> None:
    counter_file(tmp_path / "a.wav", 600)
    code = (
        "import sys, time\n"
        "from appliance.audio.capture import Capture\n"
        "capture = Capture('mic', sys.argv[1])\n"
        "capture.subscribe(lambda chunk: None)\n"
        "capture.start()\n"
        "while not capture.status().frames: time.sleep(0.02)\n"
        "print(capture.child_pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    command = [sys.executable, "-c", code, f"replay:{tmp_path / 'a.wav'}"]
    daemon = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert daemon.stdout is not None
    with daemon, daemon.stdout:
        pid = int(daemon.stdout.readline())
        assert process_state(pid)
        daemon.kill()
        daemon.wait()
    until(lambda: process_state(pid) in ("", "Z"), "the child outlives its parent")


def test_a_source_that_means_nothing_is_refused_at_once() -> None:
    for source in (
        "",
        "replay:",
        "replay:a.wav?speed=0",
        "replay:a.wav?pitch=2",
        "default?speed=2",
    ):
        with pytest.raises(InvalidInput) as caught:
            Capture("mic", source)
        assert caught.value.advice
