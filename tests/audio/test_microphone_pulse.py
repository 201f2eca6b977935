"""The real PyAudio path, through a PulseAudio server of the test's own."""

from __future__ import annotations

import os
import signal

import numpy as np
import pytest

from appliance import clock
from appliance.audio.default_input import DefaultInput, ask_portaudio
from tests.audio.listening import listening
from tests.virtual_microphone import RATE, VirtualMicrophone, virtual_microphone
from tests.waiting import until

__all__ = ["virtual_microphone"]


def main_hertz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


def tone(seconds: float) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * 1000 * np.arange(round(seconds * RATE)) / RATE)).astype("f4")


def test_the_default_microphone_is_listed_recorded_and_comes_back_after_its_death(
    virtual_microphone: VirtualMicrophone,
) -> None:
    default, why = DefaultInput(patience_s=60).look()
    assert why == ""
    assert default is not None
    assert default.id == "default"
    assert default.name

    with listening("default", ring_seconds=3) as (capture, heard):
        until(lambda: heard.frames > 0, f"no sound comes: {capture.status()}")
        status = capture.status()
        assert status.state == "running"
        assert status.rate in (44_100, 48_000)

        virtual_microphone.play(tone(60))
        until(lambda: capture.status().level_dbfs > -20, "the tone is not heard")
        began = heard.frames
        until(lambda: heard.frames > began + 2 * status.rate, "the tone breaks off")
        samples = capture.ring.last(1.0).samples
        assert main_hertz(samples, status.rate) == pytest.approx(1000, abs=1.5)
        assert np.abs(samples).max() == pytest.approx(0.5, abs=0.02)

        # A child that is not scheduled for a while: what came late is there, or it is counted.
        pid = capture.child_pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)
        stopped = clock.seconds()
        until(lambda: clock.seconds() > stopped + 1, "the clock stands still")
        at_stop = capture.status().frames
        os.kill(pid, signal.SIGCONT)
        until(lambda: capture.status().frames > at_stop + status.rate, "it stays stopped")

        virtual_microphone.kill()
        until(
            lambda: capture.status().state in ("missing", "stalled", "failed"),
            f"its death is not seen: {capture.status()}",
        )
        gone = capture.status()
        assert gone.advice
        assert gone.restarts >= 1
        before = heard.frames

        virtual_microphone.start()
        virtual_microphone.play(tone(60))
        until(lambda: heard.frames > before + 2 * status.rate, "it does not come back")
        until(lambda: capture.status().state == "running", "it is not running again")
        until(lambda: capture.status().level_dbfs > -20, "the tone is not heard again")
        began = heard.frames
        until(lambda: heard.frames > began + 2 * status.rate, "the tone breaks off")
        samples = capture.ring.last(1.0).samples
        assert main_hertz(samples, capture.status().rate) == pytest.approx(1000, abs=1.5)
        # The interruption is counted, and by the clock: at least the second of waiting.
        assert capture.status().away_s > 1

    first, last = heard.chunks[0], heard.chunks[-1]
    elapsed_s = (last.moment_ns(last.end_frame) - first.captured_ns) / 1e9
    accounted = sum(len(chunk.samples) + chunk.lost for chunk in heard.chunks)
    assert accounted / last.rate == pytest.approx(elapsed_s, abs=0.05)


def test_a_computer_whose_sound_server_is_gone_has_no_default_microphone(
    virtual_microphone: VirtualMicrophone,
) -> None:
    virtual_microphone.kill()
    assert ask_portaudio() is None
    with listening("default") as (capture, _):
        until(lambda: capture.status().state == "missing", "its absence is not seen")
        assert "no default microphone" in capture.status().detail
