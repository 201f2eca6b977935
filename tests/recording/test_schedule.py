"""Daily recordings: at their time, at most once a day, whatever the clock does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from appliance.errors import InvalidInput, NotFound
from appliance.events import Event, EventBus
from appliance.library.clips import Clips
from appliance.library.schedules import Schedule, ScheduleRecords
from appliance.recording.microphones import Microphones
from appliance.recording.recorder import Recorder
from appliance.recording.schedule import Schedules, due_on
from appliance.store.database import Database
from tests.recording.conftest import until

NOON = datetime(2024, 5, 14, 12, 0)


def at(
    time: str, *, last: str | None = None, enabled: bool = True, created: datetime | None = None
) -> Schedule:
    made = (created or NOON - timedelta(days=30)).timestamp()
    return Schedule(1, "m", time, 5.0, None, enabled, last, made)


@pytest.mark.parametrize(
    ("time", "day"),
    [
        ("12:00", "2024-05-14"),
        ("11:30", "2024-05-14"),
        ("11:01", "2024-05-14"),
        ("11:00", None),
        ("12:01", None),
        ("06:30", None),
    ],
)
def test_due_for_an_hour_after_its_time(time: str, day: str | None) -> None:
    assert due_on(at(time), NOON) == day


def test_once_a_day() -> None:
    assert due_on(at("11:30", last="2024-05-14"), NOON) is None
    assert due_on(at("11:30", last="2024-05-13"), NOON) == "2024-05-14"


def test_a_time_before_midnight_is_caught_up_after_it() -> None:
    assert due_on(at("23:50"), datetime(2024, 5, 15, 0, 20)) == "2024-05-14"
    assert due_on(at("23:50", last="2024-05-14"), datetime(2024, 5, 15, 0, 20)) is None


def test_one_that_was_made_after_its_time_begins_tomorrow() -> None:
    made = NOON - timedelta(minutes=10)
    assert due_on(at("11:30", created=made), NOON) is None
    assert due_on(at("11:55", created=made), NOON) == "2024-05-14"


def test_one_that_is_off_is_never_due() -> None:
    assert due_on(at("12:00", enabled=False), NOON) is None


class Box:
    """The schedules of a box whose clocks the test sets."""

    def __init__(self, db: Database, microphones: Microphones, clips: Clips, bus: EventBus) -> None:
        self.wall = datetime.now().replace(second=30) + timedelta(days=1)
        self.uptime = 1000.0
        self.recorder = Recorder(microphones, clips, bus)
        self.recorder.start()
        self.records = ScheduleRecords(db)
        self.bus = bus
        self.restart()

    def restart(self) -> None:
        """As after a restart of the daemon: nothing is remembered but the rows."""
        self.schedules = Schedules(
            self.records,
            self.recorder,
            self.bus,
            now=lambda: self.wall,
            uptime=lambda: self.uptime,
        )

    def after(self, **passed: float) -> None:
        """Time passes as it should."""
        self.wall += timedelta(**passed)
        self.uptime += timedelta(**passed).total_seconds()

    def jump(self, **jumped: float) -> None:
        """Somebody, or the network, sets the clock."""
        self.wall += timedelta(**jumped)

    def at_once(self) -> str:
        return self.wall.strftime("%H:%M")


@pytest.fixture
def box(db: Database, microphones: Microphones, clips: Clips, bus: EventBus) -> Iterator[Box]:
    made = Box(db, microphones, clips, bus)
    yield made
    made.recorder.stop()


@pytest.fixture
def desk(microphones: Microphones, counter_file: Path) -> str:
    microphones.add(f"replay:{counter_file}?speed=20&loop=1", "desk")
    until(lambda: microphones.get("desk").status.frames, "the microphone to run")
    return "desk"


def test_it_records_once_a_day_and_again_the_next(box: Box, desk: str, clips: Clips) -> None:
    made = box.schedules.add(desk, box.at_once(), 2.0, "morning")
    assert box.schedules.run_due() == [made.id]
    (recording,) = box.recorder.active() or box.recorder.all()
    assert recording.source == "schedule"
    until(lambda: box.recorder.get(recording.id).state == "stored", "the recording")
    (clip,) = [clips.get(i) for i in box.recorder.get(recording.id).clips]
    assert (clip.source, clip.label, clip.duration_s) == ("schedule", "morning", 2.0)
    box.after(minutes=1)
    assert box.schedules.run_due() == []
    box.after(hours=23, minutes=58)
    assert box.schedules.run_due() == []
    box.after(minutes=1)
    assert box.schedules.run_due() == [made.id]
    assert box.schedules.all()[0].last_run_on == box.wall.date().isoformat()


def test_a_clock_that_is_set_back_and_forth_does_not_run_it_twice(box: Box, desk: str) -> None:
    made = box.schedules.add(desk, box.at_once(), 1.0)
    assert box.schedules.run_due() == [made.id]
    for days in (-1, 1, 2, -2, 3650, -3650):
        box.jump(days=days)
        box.after(seconds=10)
        assert box.schedules.run_due() == [], f"after a jump of {days} days"
    box.after(days=1)
    assert box.schedules.run_due() == [made.id]


def test_a_clock_that_was_far_ahead_does_not_silence_it(box: Box, desk: str) -> None:
    made = box.schedules.add(desk, box.at_once(), 1.0)
    box.jump(days=3650)
    assert box.schedules.run_due() == [made.id]
    box.jump(days=-3650)
    box.after(days=1)
    assert box.schedules.run_due() == [made.id]


def test_a_restart_neither_repeats_nor_forgets(box: Box, desk: str) -> None:
    made = box.schedules.add(desk, box.at_once(), 1.0)
    assert box.schedules.run_due() == [made.id]
    box.restart()
    box.after(minutes=2)
    assert box.schedules.run_due() == []
    # Off over its time: caught up once, and not when it is too late.
    box.after(days=1, minutes=20)
    box.restart()
    assert box.schedules.run_due() == [made.id]
    box.after(days=1, minutes=50)
    box.restart()
    assert box.schedules.run_due() == []


def test_a_missing_microphone_is_tried_again_within_the_hour(
    box: Box, microphones: Microphones, counter_file: Path, tmp_path: Path, bus: EventBus
) -> None:
    later = tmp_path / "later.wav"
    told: list[Event] = []
    bus.subscribe(lambda e: told.append(e) if e.data.get("what") == "refused" else None)
    microphones.add(f"replay:{later}", "desk")
    until(lambda: microphones.get("desk").status.state == "missing", "it to be missed")
    made = box.schedules.add("desk", box.at_once(), 1.0)
    assert box.schedules.run_due() == []
    box.after(minutes=5)
    assert box.schedules.run_due() == []
    assert [event.data["schedule"] for event in told] == [made.id], "said once"
    counter_file.rename(later)
    until(lambda: microphones.get("desk").status.state == "running", "it to come back")
    box.after(minutes=5)
    assert box.schedules.run_due() == [made.id]


def test_it_runs_by_itself(box: Box, desk: str, db: Database, bus: EventBus) -> None:
    made = box.schedules.add(desk, box.at_once(), 1.0)
    box.schedules.start()
    try:
        until(lambda: box.schedules.all()[0].last_run_on, "the schedule to run")
    finally:
        box.schedules.stop()
    assert [recording.source for recording in box.recorder.all()] == ["schedule"]
    box.schedules.remove(made.id)
    assert box.schedules.all() == []


def test_what_means_nothing_is_refused(box: Box, desk: str) -> None:
    with pytest.raises(InvalidInput, match="not a time of day"):
        box.schedules.add(desk, "25:00", 1.0)
    with pytest.raises(NotFound):
        box.schedules.add("nobody", "12:00", 1.0)
    with pytest.raises(NotFound):
        box.schedules.remove(7)
