"""Rows of microphones and schedules; and the export of clips as plain files."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.library.clips import ClipFilter, Clips
from appliance.library.export import export_clips
from appliance.library.microphones import MicrophoneRecord, MicrophoneRecords
from appliance.library.schedules import ScheduleRecords
from appliance.store.database import Database
from tests.library.conftest import Add


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


def test_an_export_holds_every_clip_under_its_class(clips: Clips, add: Add, tmp_path: Path) -> None:
    made = [add("dog", session="a"), add("Säge 1"), add(None), add("dog", session="b")]
    out = tmp_path / "out"
    done = export_clips(clips, ClipFilter(), out)

    assert (done.clips, done.size) == (4, sum(clip.size for clip in made))
    with (out / "labels.csv").open(newline="", encoding="utf-8") as file:
        rows = {row["sha256"]: row for row in csv.DictReader(file)}
    for clip in made:
        row = rows[clip.sha256]
        assert (row["label"], row["session"]) == (clip.label or "", clip.session_key)
        assert Path(row["file"]).parent.name == (clip.label or "unlabelled")
        assert (out / row["file"]).read_bytes() == clips.path(clip).read_bytes()

    with pytest.raises(Conflict, match="not empty"):
        export_clips(clips, ClipFilter(), out)
    only = export_clips(clips, ClipFilter(label="dog", session="b"), tmp_path / "dogs")
    assert only.clips == 1
    assert [file.name for file in (tmp_path / "dogs" / "dog").iterdir()] == [
        f"clip-{made[3].id:06d}.flac"
    ]
