"""The one state of the disk: told once for each change, with some patience on the way back."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

from appliance.care.space import Space
from appliance.events import EventBus
from appliance.settings import SpaceSettings

Disk = namedtuple("Disk", "total used free")


def test_each_change_is_told_once_and_a_level_does_not_flutter(tmp_path: Path) -> None:
    bus, told = EventBus(), []
    bus.subscribe(lambda event: told.append(event.data["level"]))
    free = 0

    def usage(_: Path) -> Disk:
        return Disk(64_000 * 10**6, 0, free * 10**6)

    space = Space(tmp_path, SpaceSettings(low_mb=500, critical_mb=100), bus, usage)
    for free, level in (
        (9000, "ok"),
        (499, "low"),
        (501, "low"),
        (599, "low"),
        (99, "critical"),
        (110, "critical"),
        (121, "low"),
        (98, "critical"),
        (5000, "ok"),
        (501, "ok"),
    ):
        assert space.look().level == level, free
    assert told == ["low", "critical", "low", "critical", "ok"]
    assert space.state().shed == []


def test_a_share_of_a_large_disk_counts_too_and_an_unknown_disk_changes_nothing(
    tmp_path: Path,
) -> None:
    answers: list[Disk | OSError] = [Disk(10**12, 0, 4 * 10**9), OSError("gone")]

    def usage(_: Path) -> Disk:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    space = Space(tmp_path, SpaceSettings(), EventBus(), usage)
    assert space.look().level == "low"
    assert space.look().level == "low"
    assert space.low()
    assert not space.critical()
