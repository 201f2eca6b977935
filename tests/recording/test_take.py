"""What a recording says about sound that was lost: by the microphone, or by a slow disk."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from appliance.audio.capture import CaptureStatus
from appliance.audio.flac import read_flac
from appliance.audio.ring import Ring
from appliance.audio.source import Chunk
from appliance.library.clips import Clips
from appliance.recording.take import Order, Take
from appliance.recording.worker import Worker
from tests.recording.conftest import RATE, counting, until


class Microphone:
    """A capture that the test drives; its samples count the frames."""

    id = "m"

    def __init__(self) -> None:
        self.ring = Ring(10.0)
        self.frame = 0
        self.stream = 1
        self.state = "running"
        self.consumers: list[Callable[[Chunk], None]] = []

    def subscribe(self, consumer: Callable[[Chunk], None]) -> Callable[[], None]:
        self.consumers.append(consumer)
        return lambda: self.consumers.remove(consumer) if consumer in self.consumers else None

    def status(self) -> CaptureStatus:
        return CaptureStatus(
            self.state, "gone for lunch" if self.state in ("paused", "missing") else ""
        )

    def open_again(self) -> None:
        self.frame, self.stream, self.state = 0, self.stream + 1, "running"

    def give(self, seconds: float, *, lost: int = 0) -> None:
        for _ in range(round(seconds * 10)):
            self.frame += lost if self.stream == 1 else 0
            samples = counting(self.frame + RATE // 10)[self.frame :].astype(np.float32) / 32768
            moment = self.frame * 1_000_000_000 // RATE
            chunk = Chunk(self.id, self.stream, RATE, samples, self.frame, moment, lost)
            lost = 0
            self.frame += len(samples)
            self.ring.append(chunk)
            for consumer in list(self.consumers):
                consumer(chunk)


@pytest.fixture
def worker() -> Iterator[Worker]:
    made = Worker("test")
    made.start()
    yield made
    made.stop()


def take(clips: Clips, worker: Worker, microphone: Microphone, **given: object) -> Take:
    session = clips.new_session(None, "recording")
    order = Order(
        **{  # type: ignore[arg-type]
            "seconds": None,
            "label": None,
            "pre_roll_s": 0.0,
            "author": "",
            "source": "recording",
            "session": session,
            **given,
        }
    )
    made = Take(1, microphone, order, clips, worker, lambda what, take: None)  # type: ignore[arg-type]
    made.begin()
    return made


def test_lost_frames_are_silence_in_their_place_and_reported(clips: Clips, worker: Worker) -> None:
    microphone = Microphone()
    made = take(clips, worker, microphone)
    microphone.give(1.0)
    microphone.give(1.0, lost=400)
    made.end()
    assert made.finished.wait(30)
    view = made.view()
    assert (view.state, view.lost_frames) == ("stored", 400)
    assert view.detail == "400 frames were lost by the microphone"
    (clip,) = [clips.get(identifier) for identifier in view.clips]
    assert clip.extra == {"lost_frames": 400}
    pcm = np.rint(read_flac(clips.path(clip))[0] * 32768).astype(np.int16)
    expected = counting(2 * RATE + 400)
    expected[RATE : RATE + 400] = 0
    np.testing.assert_array_equal(pcm, expected)


def test_a_disk_that_is_too_slow_costs_sound_and_says_so(clips: Clips, worker: Worker) -> None:
    microphone = Microphone()
    made = take(clips, worker, microphone)
    disk = threading.Event()
    worker.submit(lambda: disk.wait(30))
    microphone.give(50.0)
    disk.set()
    until(lambda: made.view().elapsed_s >= 45, "the disk to catch up")
    microphone.give(1.0)
    made.end()
    assert made.finished.wait(30)
    view = made.view()
    assert view.state == "incomplete"
    assert view.detail == f"the disk was too slow: {5 * RATE} frames were lost"
    assert view.lost_frames == 5 * RATE
    assert [clips.get(i).duration_s for i in view.clips] == [45.0, 1.0]


def test_a_microphone_that_is_paused_ends_it(clips: Clips, worker: Worker) -> None:
    microphone = Microphone()
    made = take(clips, worker, microphone, seconds=10.0)
    microphone.give(2.0)
    made.check()
    assert made.view().state == "recording"
    microphone.state = "paused"
    made.check()
    assert made.finished.wait(30)
    view = made.view()
    assert (view.state, view.detail) == ("incomplete", "the microphone is paused: gone for lunch")
    assert view.elapsed_s == pytest.approx(2.0)
    assert microphone.consumers == []


def test_the_rest_of_the_asked_time_is_recorded_when_it_comes_back(
    clips: Clips, worker: Worker
) -> None:
    microphone = Microphone()
    made = take(clips, worker, microphone, seconds=10.0)
    microphone.give(2.0)
    microphone.open_again()
    microphone.give(8.0, lost=3 * RATE)
    assert made.finished.wait(30)
    view = made.view()
    assert (view.state, view.gap_s, view.lost_frames) == ("incomplete", 3.0, 0)
    assert view.detail.startswith("3.0 s are missing: the microphone was opened anew")
    assert view.elapsed_s == pytest.approx(10.0)
    stored = [clips.get(i) for i in view.clips]
    assert [(clip.start_s, clip.duration_s) for clip in stored] == [(0.0, 2.0), (5.0, 5.0)]


def test_a_microphone_that_stays_away_ends_it_at_the_planned_end(
    clips: Clips, worker: Worker
) -> None:
    microphone = Microphone()
    # This microphone's clock began with the computer's: ten seconds from its first sound are over.
    made = take(clips, worker, microphone, seconds=10.0)
    microphone.give(2.0)
    until(lambda: made.view().elapsed_s >= 2.0, "all of it to be taken")
    made.check()
    assert made.view().state == "recording", "late it may be, but it gives sound"
    microphone.state = "missing"
    made.check()
    assert made.finished.wait(30)
    view = made.view()
    assert (view.state, view.detail) == (
        "incomplete",
        "gone for lunch; it did not come back before the planned end",
    )
    assert [clips.get(i).duration_s for i in view.clips] == [2.0]
    assert microphone.consumers == []


def test_nothing_recorded_is_a_failure_that_says_why(clips: Clips, worker: Worker) -> None:
    microphone = Microphone()
    made = take(clips, worker, microphone)
    made.end()
    assert made.finished.wait(30)
    assert (made.view().state, made.view().detail) == ("failed", "the microphone gave no sound")
