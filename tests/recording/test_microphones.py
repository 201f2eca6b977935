"""Microphones are set up, changed while they run, and there again after a restart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from appliance.errors import Conflict, InvalidInput, MicrophoneError, NotFound
from appliance.events import Event, EventBus
from appliance.library.microphones import MicrophoneRecords
from appliance.recording.microphones import Microphones
from appliance.settings import Settings
from appliance.store.database import Database
from tests.recording.conftest import until


def test_an_added_microphone_runs_and_is_told_about(
    microphones: Microphones, bus: EventBus, counter_file: Path
) -> None:
    told: list[Event] = []
    bus.subscribe(lambda event: told.append(event))
    added = microphones.add(f"replay:{counter_file}?speed=2", gain_db=-6.0)
    assert (added.id, added.name) == (f"replay:{counter_file}", "counter")
    until(lambda: microphones.get("counter").status.state == "running", "it to run")
    assert microphones.get(added.id).status.rate == 8000
    assert [view.name for view in microphones.all()] == ["counter"]
    states = [e.data["microphone"]["status"]["state"] for e in told if e.data["what"] == "state"]
    assert states[-1] == "running"
    assert any(event.data["what"] == "added" for event in told)


def test_gain_changes_while_it_runs_and_the_rest_is_kept_over_a_restart(
    microphones: Microphones, db: Database, bus: EventBus, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}", "desk")
    capture = microphones.capture("desk")
    changed = microphones.update("desk", {"gain_db": -12.0, "listen": False, "name": "table"})
    assert microphones.capture("table") is capture, "the capture goes on"
    assert capture.gain_db == -12.0
    until(lambda: len(capture.ring.last(0.2).samples), "sound")
    assert np.abs(capture.ring.last(0.2).samples).max() <= 10 ** (-12 / 20) + 1e-3
    microphones.stop()
    again = Microphones(MicrophoneRecords(db), bus, Settings())
    again.start()
    try:
        view = again.get("table")
        assert (view.id, view.gain_db, view.listen) == (changed.id, -12.0, False)
        until(lambda: again.get("table").status.state == "running", "it to run again")
    finally:
        again.stop()


def test_a_disabled_microphone_is_closed_and_says_so(
    microphones: Microphones, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}", "desk")
    before = microphones.capture("desk")
    view = microphones.update("desk", {"enabled": False})
    assert (view.status.state, view.status.detail) == ("stopped", "disabled")
    assert before.status().state == "stopped"
    with pytest.raises(MicrophoneError, match="disabled"):
        microphones.capture("desk")
    microphones.update("desk", {"enabled": True})
    assert microphones.capture("desk") is not before
    microphones.remove("desk")
    with pytest.raises(NotFound):
        microphones.get("desk")
    assert microphones.all() == []


def test_what_cannot_be_is_refused_and_changes_nothing(
    microphones: Microphones, counter_file: Path
) -> None:
    microphones.add(f"replay:{counter_file}", "desk")
    with pytest.raises(Conflict, match="called 'desk'"):
        microphones.add("default", "desk", enabled=False)
    with pytest.raises(InvalidInput, match="unknown option"):
        microphones.add(f"replay:{counter_file}?sped=2")
    with pytest.raises(InvalidInput, match="no 'gain'") as refused:
        microphones.update("desk", {"gain": 3.0})
    assert refused.value.advice == "did you mean 'gain_db'?"
    with pytest.raises(InvalidInput, match="a gain of 100 dB"):
        microphones.update("desk", {"gain_db": 100.0})
    with pytest.raises(InvalidInput, match="cannot be nothing"):
        microphones.update("desk", {"name": None})
    microphones.add("card:none", "usb", enabled=False)
    with pytest.raises(Conflict, match="set up already"):
        microphones.add("card:none", enabled=False)
    assert [view.name for view in microphones.all()] == ["desk", "usb"]
    assert microphones.get("desk").gain_db == 0


def test_one_file_may_be_replayed_twice(microphones: Microphones, counter_file: Path) -> None:
    first = microphones.add(f"replay:{counter_file}", enabled=False)
    second = microphones.add(f"replay:{counter_file}?loop=1", enabled=False)
    assert first.id != second.id
    assert {first.name, second.name} == {"counter", "counter 2"}


def test_devices_of_this_computer_are_listed(microphones: Microphones) -> None:
    listed, _ = microphones.available()
    assert len({device.id for device in listed}) == len(listed)
