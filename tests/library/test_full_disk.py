"""A disk that really runs full: a small tmpfs that is the data folder."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.errors import LowSpace
from appliance.events import EventBus
from appliance.library import disk
from appliance.library.audit import audit
from appliance.library.clips import ClipFilter, Clips
from appliance.library.datasets import Datasets
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.library.conftest import RATE, files, sound


class Library:
    """The library on the small disk, and clips of about 28 kB to fill it with."""

    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root)
        self.folder.create()
        self.db = Database(self.folder.database)
        self.clips = Clips(self.db, self.folder, EventBus())
        self.datasets = Datasets(self.db, self.folder)
        self._session = self.clips.new_session(None, "recording")
        self._numbers = itertools.count()

    def store(self) -> int:
        number = next(self._numbers)
        clip = self.clips.add_samples(
            sound(number, 2.0),
            RATE,
            source="recording",
            session=self._session,
            label=("dog", "cat")[number % 2],
        )
        return clip.id

    def fill(self) -> None:
        for _ in range(1000):
            self.store()

    def newest(self) -> int:
        return self.clips.page(ClipFilter(), None, 1).items[0].id

    def check(self) -> None:
        """Nothing is half done: no temporary file, a file for each row and a row for each."""
        names = files(self.folder)
        assert not [name for name in names if name.startswith("incoming/")]
        assert len(names) == self.clips.count()
        assert audit(self.db, self.folder) == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Library]:
    """A folder with room for 24 MB."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    place = tmp_path / "disk"
    place.mkdir()
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", place], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.decode().strip()}")
    library = Library(place / "data")
    try:
        yield library
    finally:
        library.db.close()
        subprocess.run(["umount", "--lazy", place], check=True)


def test_new_sounds_stop_while_there_is_room_to_delete(small_disk: Library) -> None:
    with pytest.raises(LowSpace, match="kept for the database") as caught:
        small_disk.fill()
    assert "delete clips" in caught.value.advice
    assert small_disk.clips.count() > 20
    small_disk.check()

    clips = small_disk.clips
    assert clips.set_label([small_disk.newest()], "owl", "ann", create=True) == 1
    assert clips.set_label([small_disk.newest()], "dog", "ann") == 1
    small_disk.datasets.publish("first", "ann")
    with pytest.raises(LowSpace):
        small_disk.store()
    small_disk.check()


def test_a_disk_that_others_fill_refuses_and_then_goes_on(
    small_disk: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its reserve, the library meets the end of the disk at whatever step it comes."""
    monkeypatch.setattr(disk, "RESERVE_BYTES", 0)
    ballast = small_disk.folder.root / "ballast"
    for round_ in range(4):
        # More or less of what one clip needs is left at the end.
        ballast.write_bytes(b"x" * (3_000_000 + 9_000 * round_))
        with pytest.raises(LowSpace, match="disk is full"):
            small_disk.fill()
        small_disk.check()
        acknowledged = small_disk.clips.count()
        ballast.unlink()

        small_disk.store()
        assert small_disk.clips.count() == acknowledged + 1
        for _ in range(40):
            small_disk.clips.delete(small_disk.newest(), "ann")
        small_disk.check()

    room = os.statvfs(small_disk.folder.root)
    ballast.write_bytes(b"x" * (room.f_bavail * room.f_bsize))
    with pytest.raises(LowSpace):
        small_disk.datasets.publish("first", "ann")
    assert list(small_disk.folder.datasets.iterdir()) == []
    ballast.unlink()
    assert small_disk.datasets.publish("first", "ann").name == "first"
    small_disk.check()
