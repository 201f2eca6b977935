"""Rows of microphones and schedules."""

from __future__ import annotations

from dataclasses import replace

import pytest

from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.library.microphones import MicrophoneRecord, MicrophoneRecords
from appliance.library.schedules import ScheduleRecords
from appliance.store.database import Database


@pytest.fixture
def microphones(db: Database) -> MicrophoneRecords:
    return MicrophoneRecords(db)


@pytest.fixture
def schedules(db: Database) -> ScheduleRecords:
    return ScheduleRecords(db)


KITCHEN = MicrophoneRecord("usb-1-2:serial", "kitchen", "usb-1-2:serial", created_at=5.0)


def test_a_microphone_is_put_found_changed_and_removed(
    microphones: MicrophoneRecords, schedules: ScheduleRecords
) -> None:
    assert microphones.put(KITCHEN) == KITCHEN
    assert microphones.get("kitchen") == microphones.get("usb-1-2:serial") == KITCHEN
    schedules.add("kitchen", "06:30", 60, "birds")

    changed = replace(
        KITCHEN, name="hall", gain_db=6.0, channel=1, listen=False, trigger={"rise_db": 12.0}
    )
    assert microphones.put(changed) == changed
    assert microphones.all() == [changed]
    # Changing a microphone must not take its schedules along.
    assert [one.microphone for one in schedules.all()] == ["usb-1-2:serial"]

    microphones.remove("hall")
    assert microphones.all() == []
    assert schedules.all() == []
    with pytest.raises(NotFound):
        microphones.remove("hall")


@pytest.mark.parametrize(
    "change",
    [
        {"name": " "},
        {"name": "a\nb"},
        {"name": "x" * 101},
        {"id": ""},
        {"source": "replay:/a\x00b"},
        {"gain_db": 61.0},
        {"gain_db": float("nan")},
        {"channel": -1},
    ],
)
def test_a_microphone_that_makes_no_sense(
    microphones: MicrophoneRecords, change: dict[str, object]
) -> None:
    with pytest.raises(InvalidInput):
        microphones.put(replace(KITCHEN, **change))  # type: ignore[arg-type]
    assert microphones.all() == []


def test_two_microphones_have_two_names(microphones: MicrophoneRecords) -> None:
    microphones.put(KITCHEN)
    with pytest.raises(Conflict, match="'kitchen'"):
        microphones.put(replace(KITCHEN, id="replay:/a", source="replay:/a"))


def test_schedules(microphones: MicrophoneRecords, schedules: ScheduleRecords) -> None:
    microphones.put(KITCHEN)
    late = schedules.add("kitchen", "22:00", 3600, None)
    early = schedules.add(KITCHEN.id, "06:30", 30.5, " birds ")
    assert schedules.all() == [early, late]
    assert (early.microphone, early.label, early.enabled) == (KITCHEN.id, "birds", True)
    schedules.mark_run(early.id, "2024-05-01")
    assert schedules.get(early.id).last_run_on == "2024-05-01"
    assert schedules.enable(late.id, False).enabled is False
    schedules.remove(late.id)
    assert [one.id for one in schedules.all()] == [early.id]
    with pytest.raises(NotFound):
        schedules.remove(late.id)
    with pytest.raises(NotFound):
        schedules.add("attic", "06:30", 30, None)
    for at, seconds, label in (
        ("24:00", 30, None),
        ("6:30", 30, None),
        ("06:30\n", 30, None),
        ("06:30", 0, None),
        ("06:30", float("nan"), None),
        ("06:30", 90_000, None),
        ("06:30", 30, "a/b"),
    ):
        with pytest.raises(InvalidInput):
            schedules.add("kitchen", at, seconds, label)
    with pytest.raises(InvalidInput):
        schedules.mark_run(early.id, "today")
