"""A training waits while listening is behind, and only as long."""

from __future__ import annotations

import pytest

from appliance import clock
from appliance.events import EventBus
from appliance.live.courtesy import Courtesy


class Training:
    """What `jobs.runner.Runner` does with a training that runs, or with none."""

    def __init__(self, running: bool = True) -> None:
        self.running = running
        self.told: list[str] = []

    def pause(self, why: str) -> bool:
        self.told.append(why)
        return self.running

    def resume(self) -> None:
        self.told.append("on")


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    moment = [100.0]
    monkeypatch.setattr(clock, "seconds", lambda: moment[0])
    return moment


def hear(bus: EventBus, lag_ms: float, missed: int = 0) -> None:
    ears = {"a": {"lag_ms": 20.0, "missed": 0}, "b": {"lag_ms": lag_ms, "missed": missed}}
    bus.publish("hearing", {"microphones": ears})


def test_it_is_held_once_and_goes_on_when_listening_has_been_well(now: list[float]) -> None:
    bus, training = EventBus(), Training()
    courtesy = Courtesy(bus, training.pause, training.resume)
    courtesy.start()
    hear(bus, 120)
    assert training.told == []
    hear(bus, 900)
    hear(bus, 1500)
    assert training.told == ["listening is 900 ms behind"]
    now[0] += 3
    hear(bus, 80)
    assert training.told[1:] == []
    now[0] += 3
    hear(bus, 80)
    assert training.told[1:] == ["on"]
    hear(bus, 80, missed=1)  # a lost window counts, however fast the next one was
    assert len(training.told) == 3
    courtesy.stop()
    assert training.told[3:] == ["on"]


def test_without_a_training_nothing_is_let_go(now: list[float]) -> None:
    bus, training = EventBus(), Training(running=False)
    courtesy = Courtesy(bus, training.pause, training.resume)
    courtesy.start()
    hear(bus, 900)
    now[0] += 60
    hear(bus, 50)
    courtesy.stop()
    assert "on" not in training.told
