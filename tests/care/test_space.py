"""The one state of the disk: told once for each change, with some patience on the way back."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

from appliance.care.space import SPARED, Space, judge
from appliance.events import EventBus
from appliance.settings import Settings, SpaceSettings

Disk = namedtuple("Disk", "total used free")


def test_each_change_is_told_once_and_a_level_does_not_flutter(tmp_path: Path) -> None:
    bus, told = EventBus(), []
    bus.subscribe(lambda event: told.append(event.data["level"]))
    free = 0

    def usage(_: Path) -> Disk:
        return Disk(64_000 * 10**6, 0, free * 10**6)

    settings = SpaceSettings(low_mb=1000, short_mb=500, critical_mb=100)
    space = Space(tmp_path, settings, bus, usage)
    for free, level in (
        (9000, "ok"),
        (999, "low"),
        (1001, "low"),
        (499, "short"),
        (501, "short"),
        (599, "short"),
        (99, "critical"),
        (110, "critical"),
        (121, "short"),
        (15, "full"),
        (19, "full"),
        (98, "critical"),
        (5000, "ok"),
        (1001, "ok"),
    ):
        assert space.look().level == level, free
    assert told == [
        "low", "short", "critical", "short", "full", "critical", "ok",
    ]  # fmt: skip
    assert space.state().shed == []


def test_what_is_spared_grows_in_the_order_of_its_worth() -> None:
    settings = SpaceSettings(low_mb=1000, short_mb=500, critical_mb=100)
    shed = [judge(settings, mb * 10**6, 64 * 10**9).shed for mb in (9000, 999, 499, 99, 10)]
    assert shed == [list(SPARED[:count]) for count in range(5)]
    assert SPARED == ("history", "clips of detections", "triggered recordings", "new sounds")
    # Limits in the wrong order, or none at all, spare nothing too late.
    odd = SpaceSettings(low_mb=0, low_percent=0, short_mb=0, short_percent=0, critical_mb=2000)
    assert judge(odd, 1999 * 10**6, 64 * 10**9).level == "critical"
    none = SpaceSettings(0, 0, 0, 0, 0, 0)
    assert [judge(none, mb << 20, 1 << 30).level for mb in (15, 17)] == ["full", "ok"]


def test_a_changed_limit_counts_at_once(tmp_path: Path) -> None:
    told: list[str] = []
    bus = EventBus()
    bus.subscribe(lambda event: told.append(event.data["level"]))
    space = Space(tmp_path, SpaceSettings(), bus, lambda _: Disk(10**12, 0, 15 * 10**9))
    assert space.look().level == "ok"
    assert space.missing() is None
    space.use(Settings(space=SpaceSettings(low_mb=20_000)))
    assert told == ["low"]
    assert space.missing() == 5 * 10**9
    assert space.sheds("history")
    assert not space.sheds("clips of detections")


def test_a_share_of_a_large_disk_counts_too_and_an_unknown_disk_changes_nothing(
    tmp_path: Path,
) -> None:
    answers: list[Disk | OSError] = [Disk(10**12, 0, 9 * 10**9), OSError("gone")]

    def usage(_: Path) -> Disk:
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    space = Space(tmp_path, SpaceSettings(), EventBus(), usage)
    assert space.look().level == "low"
    assert space.look().level == "low"
    assert space.low()
