"""The detector batches, counts what it misses, and is not stopped by an engine that fails."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pytest

from appliance import clock
from appliance.audio.capture import CaptureStatus
from appliance.audio.ring import Ring
from appliance.audio.source import Chunk
from appliance.errors import EngineError
from appliance.live.decision import Rules
from appliance.live.detector import Detector
from appliance.live.ear import Ear, listening_hop
from appliance.live.keeper import Keeper
from appliance.models.deploy import Deployment
from tests.live.conftest import until

RATE = 16_000
SECOND = 1_000_000_000


class Microphone:
    """A capture that the test drives."""

    def __init__(self, identifier: str) -> None:
        self.id = identifier
        self.ring = Ring(20.0)
        self.frame = 0
        self.consumers: list[Callable[[Chunk], None]] = []
        self.began_ns = clock.monotonic_ns()

    def subscribe(self, consumer: Callable[[Chunk], None]) -> Callable[[], None]:
        self.consumers.append(consumer)
        return lambda: self.consumers.remove(consumer)

    def status(self) -> CaptureStatus:
        return CaptureStatus("running")

    def give(self, seconds: float, *, lost: int = 0) -> None:
        """Blocks of 0.1 s, the first after `lost` missing frames."""
        for _ in range(round(seconds * 10)):
            self.frame += lost
            moment = clock.monotonic_ns() - SECOND // 10
            samples = np.zeros(RATE // 10, np.float32)
            chunk = Chunk(self.id, 1, RATE, samples, self.frame, moment, lost)
            lost = 0
            self.frame += len(samples)
            self.ring.append(chunk)
            for consumer in list(self.consumers):
                consumer(chunk)


@dataclass
class SlowEngine:
    """Says "background" to everything; runs only when the test lets it."""

    name: str = "slow"
    classes: tuple[str, ...] = ("background", "dog")
    sample_rate: int = RATE
    window_samples: int = RATE
    hop_samples: int = RATE // 4
    batches: list[int] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    entered: threading.Event = field(default_factory=threading.Event)
    broken: bool = False

    def run(self, windows: np.ndarray) -> np.ndarray:
        self.entered.set()
        self.gate.wait(30)
        if self.broken:
            raise EngineError("out of order")
        self.batches.append(len(windows))
        return np.tile(np.array([1.0, 0.0], np.float32), (len(windows), 1))

    def close(self) -> None:
        self.gate.set()


class Deployed:
    def __init__(self, engine: SlowEngine) -> None:
        deployment = Deployment(1, "V001", "fp32", "slow", "live", 0.0, None, {}, "")
        self._live = (deployment, engine)

    def live(self) -> tuple[Deployment, SlowEngine]:
        return self._live


class Listening:
    def __init__(self) -> None:
        self.engine = SlowEngine()
        self.turns = 0
        deployed = Deployed(self.engine)
        self.detector = Detector(deployed, Rules(), lambda _: 0.75, self.judged)  # type: ignore[arg-type]
        self.detector.start()

    def judged(self) -> None:
        self.turns += 1

    def add(self, identifier: str) -> tuple[Microphone, Ear]:
        microphone = Microphone(identifier)
        keeper = Keeper.__new__(Keeper)  # nothing is ever detected here
        ear = Ear(microphone, keeper, self.detector.wake)  # type: ignore[arg-type]
        self.detector.set(identifier, ear)
        until(lambda: ear.hearing()["version"], "the ear to listen")
        return microphone, ear


@pytest.fixture
def listening() -> Iterator[Listening]:
    made = Listening()
    yield made
    made.engine.gate.set()
    made.detector.stop()


def test_windows_of_all_microphones_share_an_inference(listening: Listening) -> None:
    ears = [listening.add(f"m{number}") for number in range(5)]
    # The first inference is held, and everybody's next windows wait behind it.
    ears[0][0].give(1.0)
    assert listening.engine.entered.wait(30)
    for microphone, _ in ears:
        microphone.give(2.0)
    listening.engine.gate.set()
    until(lambda: sum(ear.windows for _, ear in ears) >= 5 * 4, "all windows")
    assert max(listening.engine.batches) >= 5 * 4 - 1
    assert sum(ear.missed for _, ear in ears) == 0


def test_windows_that_are_too_late_are_missed_and_counted(listening: Listening) -> None:
    microphone, ear = listening.add("m")
    microphone.give(1.0)
    assert listening.engine.entered.wait(30)
    microphone.give(4.5)
    listening.engine.gate.set()
    # 4.5 s of sound are 15 hops. Those that end over 2 s before the newest sound are too late.
    until(lambda: ear.windows + ear.missed >= 16, "every window to be judged or missed")
    assert ear.windows + ear.missed == 16
    assert ear.missed >= 8
    assert ear.windows >= 2, "the newest is judged however late it is"
    hearing = ear.hearing()
    assert (hearing["missed"], hearing["resets"]) == (ear.missed, 0)


def test_a_detector_that_is_stuck_holds_no_more_than_its_limit(listening: Listening) -> None:
    microphone, ear = listening.add("m")
    microphone.give(1.0)
    assert listening.engine.entered.wait(30)
    microphone.give(60.0)
    listening.engine.gate.set()
    until(lambda: ear.hearing()["resets"] == 1, "the windows to start again")
    assert ear.hearing()["lost_frames"] == 40 * RATE


def test_lost_frames_reset_windows_and_are_shown(listening: Listening) -> None:
    listening.engine.gate.set()
    microphone, ear = listening.add("m")
    microphone.give(2.0)
    microphone.give(2.0, lost=3200)
    until(lambda: ear.hearing()["resets"] == 1, "the reset")
    assert ear.hearing()["lost_frames"] == 3200


def test_an_engine_that_fails_costs_windows_and_not_the_listening(listening: Listening) -> None:
    listening.engine.gate.set()
    listening.engine.broken = True
    microphone, ear = listening.add("m")
    microphone.give(2.0)
    until(lambda: ear.missed > 0, "a missed window")
    assert ear.windows == 0
    listening.engine.broken = False
    microphone.give(2.0)
    until(lambda: ear.windows > 0, "a judged window")


def test_an_idle_detector_sleeps(listening: Listening) -> None:
    listening.engine.gate.set()
    microphone, ear = listening.add("m")
    microphone.give(0.9)
    assert listening.turns == 0
    assert ear.windows == 0
    microphone.give(0.1)
    until(lambda: ear.windows == 1, "the first window")
    assert listening.turns == 1


@pytest.mark.parametrize(
    ("window_s", "hop_s", "expected_s"),
    [(2.6, 0.65, 0.5), (1.0, 0.25, 0.3), (2.0, 0.5, 0.5), (1.6, 0.4, 0.4), (0.3, 0.075, 0.075)],
)
def test_the_hop_follows_the_version_within_bounds(
    window_s: float, hop_s: float, expected_s: float
) -> None:
    engine = SlowEngine(window_samples=round(window_s * RATE), hop_samples=round(hop_s * RATE))
    assert listening_hop(engine) == round(expected_s * RATE)
