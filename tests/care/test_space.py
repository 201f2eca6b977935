"""The one state of the disk: told once for each change, with some patience on the way back."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
from collections import namedtuple
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.care.space import Space, judge
from appliance.client import ClientError
from appliance.events import EventBus
from appliance.reserve import Reserve
from appliance.settings import Settings, SpaceSettings
from tests.box import Box, until

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
    order = [
        ["history", "nightly copies of the database"],
        ["clips of detections"],
        ["triggered recordings"],
        ["new sounds"],
    ]
    assert shed == [list(chain(*order[:count])) for count in range(5)]
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


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 1.6 GB whose blocks are all nearly free of cost: ext4 in a sparse file."""
    if os.geteuid() != 0 or shutil.which("mkfs.ext4") is None:
        pytest.skip("a disk of its own needs root and mkfs.ext4")
    image, place = tmp_path / "image", tmp_path / "disk"
    with image.open("wb") as file:
        file.truncate(1600 << 20)
    place.mkdir()
    subprocess.run(["mkfs.ext4", "-q", "-F", "-m", "0", image], check=True)
    done = subprocess.run(["mount", "-o", "loop", image, place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.decode().strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", place], check=True)


def fill(place: Path) -> Path:
    """What somebody else does to the disk: not a byte is left."""
    ballast = place / f"ballast-{len(list(place.iterdir()))}"
    with ballast.open("wb") as file:
        step = 64 << 20
        while step >= 4096:
            try:
                os.posix_fallocate(file.fileno(), file.seek(0, 2), step)
            except OSError:
                step //= 2
    return ballast


def free(place: Path) -> int:
    return os.statvfs(place).f_bavail * os.statvfs(place).f_frsize


def test_labels_and_jobs_go_on_when_others_fill_the_disk(disk: Path) -> None:
    settings = {"EARMARK_SPACE_LOW_MB": "30", "EARMARK_SPACE_CRITICAL_MB": "20"}
    box = Box(disk / "data", **settings)
    box.log = disk.parent / "box.log"  # not on the disk that fills
    client = box.start(timeout=240)
    try:
        reserve = disk / "data" / "reserve"
        until(reserve.exists, "room that is kept")
        whole = reserve.stat().st_size
        assert whole == pytest.approx(free(disk) / 100, rel=0.2)
        sounds = {f"{number}.wav": tone(number) for number in range(12)}
        done = client.upload("/clips", list(sounds.items()), {"label": "pump"})["results"]
        ids = [result["clips"][0]["id"] for result in done]
        client.post("/labels", {"name": "fan"})

        ballast = [fill(disk)]
        assert free(disk) < 4096
        assert client.post("/clips/label", {"clips": ids[5:], "label": "fan"})["changed"] == 7
        assert 0 < reserve.stat().st_size < whole
        for name in ("valve", "belt"):
            client.post("/labels", {"name": name})
        with pytest.raises(ClientError) as refused:
            client.upload("/clips", [("new.wav", tone(99))])
        assert refused.value.status == 507
        # Whoever filled the disk takes what became free, and still there is some for us.
        ballast.append(fill(disk))
        assert client.put(f"/clips/{ids[0]}/label", {"label": "fan"})["label"] == "fan"
        client.put(f"/clips/{ids[0]}/label", {"label": "pump"})
        job = client.post("/jobs", {"max_minutes": 6, "flavor": "free"})["id"]
        assert client.post(f"/jobs/{job}/cancel")["state"] in ("cancelled", "running", "starting")

        # Nor is it a problem to start on a full disk.
        box.kill()
        ballast.append(fill(disk))
        client = box.start(timeout=240)
        assert client.get(f"/clips/{ids[0]}")["label"] == "pump"
        client.put(f"/clips/{ids[0]}/label", {"label": "valve"})

        for one in ballast:
            one.unlink()
        until(lambda: reserve.stat().st_size == whole, "the reserve to be whole again")
        assert client.upload("/clips", [("new.wav", tone(99))])["results"][0]["new"]
    finally:
        box.stop()


def tone(number: int) -> bytes:
    content = io.BytesIO()
    samples = np.random.default_rng(number).normal(scale=0.1, size=8000)
    soundfile.write(content, samples, 16_000, format="WAV")
    return content.getvalue()


def test_a_reserve_is_given_back_in_parts_and_only_when_needed(tmp_path: Path) -> None:
    """Without a disk of its own: what a full one says is made up, the file is real."""
    reserve = Reserve(tmp_path / "reserve")
    reserve.give()
    reserve.make(0)
    assert not reserve.path.exists()
    assert reserve.missing() == 0
    reserve.size = 10 << 20
    assert reserve.missing() == reserve.size
    reserve.make(keep_free=2**60)
    assert reserve.held() == 0
    reserve.make(keep_free=0)
    assert reserve.held() == reserve.size
    assert reserve.path.stat().st_blocks * 512 >= reserve.size, "real blocks, not a hole"
    reserve.give()
    assert reserve.missing() == 0, "there is room enough"
    reserve.size = 3 << 20
    reserve.make(keep_free=0)
    assert reserve.held() == reserve.size
