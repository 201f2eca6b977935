"""A box without a place for backups copies its database every night, and comes back from that."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from collections import namedtuple
from contextlib import closing
from pathlib import Path

import pytest

from appliance.care import copies as module
from appliance.care.backup import make_backup
from appliance.care.copies import FRESH_S, LATE_S, Copies
from appliance.care.notices import Notices
from appliance.care.space import Space
from appliance.events import EventBus
from appliance.settings import BackupSettings, Settings
from tests.box import Box, until
from tests.care.test_recovery import damage
from tests.care.test_retention import Library

Disk = namedtuple("Disk", "total used free")

IMPATIENT = """
import sys
from appliance.care import copies
copies.FIRST_S = 0.5
copies.LOOK_EVERY_S = 0.5
from appliance.cli import main
main()
"""


def test_a_box_alone_saves_its_database_and_comes_back_from_it(tmp_path: Path) -> None:
    library = Library(tmp_path / "box")
    folder = library.folder
    ids = [library.store(label) for label in ("dog", "dog", "cat")]
    library.db.close()
    box = Box(folder.root)
    box.program = ["-c", IMPATIENT, "--data", str(folder.root), "serve"]
    try:
        client = box.start()
        copies = until(lambda: client.get("/backups")["copies"]["items"], "the first copy")
        assert [copy["clips"] for copy in copies] == [3]
        listed = subprocess.run(
            [sys.executable, "-m", "appliance.cli", "--data", box.data, "backup", "--list"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert "the database alone" in listed
        assert copies[0]["path"] in listed.replace("\n", "")
        [check] = [c for c in client.get("/health")["checks"] if c["name"] == "backup age"]
        assert check["state"] == "warning", "a dying disk takes the copy, too"
        assert "A copy of the database alone" in check["says"]
        box.kill()
        # Nothing can be read of it any more.
        for file in folder.root.glob("earmark.db*"):
            file.unlink()
        client = box.start()
        labelled = {clip["id"]: clip["label"] for clip in client.pages("/clips")}
        assert labelled == dict(zip(ids, ("dog", "dog", "cat"), strict=True))
        [notice] = [n for n in client.get("/notices")["items"] if n["topic"] == "database"]
        assert "was restored, with 3 clips" in notice["says"]
    finally:
        box.stop()

    # Without the daemon: what there is, and where it may go.
    def earmark(*words: object) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, "-m", "appliance.cli", "--data", tmp_path / "new"]
        return subprocess.run([*program, *words], capture_output=True, text=True)

    listed = json.loads(earmark("--json", "backup", "--list", folder.copies).stdout)
    assert copies[0]["path"] in [one["path"] for one in listed["items"]]
    assert "cannot be read" in earmark("backup", "--list", tmp_path / "nowhere").stderr
    refused = earmark("restore", folder.copies)
    assert refused.returncode != 0
    assert "a database alone: 3 sounds" in refused.stderr.replace("\n", " ")
    assert not (tmp_path / "new").exists()
    assert earmark("restore", folder.copies, "--yes").returncode == 0


class Nights:
    """Copies of a library, at a time and on a disk that the test says."""

    def __init__(self, root: Path, settings: BackupSettings | None = None) -> None:
        self.library = Library(root)
        self.library.store("dog")
        self.folder = self.library.folder
        self.now = time.mktime((2026, 11, 24, 12, 0, 0, 0, 0, -1))
        self.free = 500 * 10**9
        self.settings = Settings(backup=settings or BackupSettings())
        self.space = Space(
            root, self.settings.space, EventBus(), lambda _: Disk(10**12, 0, self.free)
        )
        self.notices = Notices(self.folder)
        self.begin()

    def begin(self) -> None:
        """As after a restart."""
        self.space.look()
        self.copies = Copies(
            self.folder, self.settings, self.space, self.notices, now=lambda: self.now
        )

    def look(self, after_h: float = 0.0) -> Path | None:
        """Another daemon, so many hours later."""
        self.now += after_h * 3600
        self.begin()
        return self.copies.look()

    def there(self) -> int:
        return len(self.copies.state().items)


@pytest.fixture
def nights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Nights:
    made = Nights(tmp_path / "box")
    # What is written into the manifest is of the same clock.
    monkeypatch.setattr("appliance.care.backup.time.time", lambda: made.now)
    return made


def test_one_a_night_and_the_newest_few_stay(nights: Nights) -> None:
    assert nights.look(), "there has never been one"
    assert nights.look(11) is None, "it is 23 o'clock"
    assert nights.look(6), "it is five at night"
    assert nights.look(LATE_S / 3600 - 1) is None
    assert nights.look(2), "off at night, it makes it by day"
    assert nights.look(40)
    assert nights.there() == 3
    newest = nights.copies.state().items[0].path
    with closing(sqlite3.connect(Path(newest) / "earmark.db")) as copy:
        assert copy.execute("SELECT count(*) FROM clips").fetchone() == (1,)
    # A clock that was never set: one a start, and no more than one in half a day.
    nights.now = 1000.0
    assert nights.look()
    assert nights.copies.look() is None
    assert FRESH_S > module.LOOK_EVERY_S
    nights.copies.use(Settings(backup=BackupSettings(copies=0)))
    assert nights.copies.look() is None
    assert nights.there() == 0


def test_a_backup_of_the_day_is_enough(nights: Nights, tmp_path: Path) -> None:
    target = tmp_path / "disk"
    nights.settings = Settings(backup=BackupSettings(target=str(target)))
    make_backup(nights.folder, target, 3, lambda *_: None)
    assert nights.look(1) is None
    assert nights.look(30), "the disk has been away for a night"


def test_a_disk_without_room_is_spared(nights: Nights) -> None:
    assert nights.look()
    assert nights.look(48)
    assert nights.there() == 2
    nights.free = 9 * 10**9
    assert nights.look(48) is None
    assert nights.there() == 1, "the newest alone stays"
    assert "too little room" in nights.copies.state().problem
    # Enough is left now, but not with a copy.
    nights.free = 10**11
    nights.space.look()
    nights.free = 10**10 + 1000
    assert nights.look() is None
    assert not nights.space.low()
    nights.free = 10**11
    assert nights.look()
    assert nights.copies.state().problem == ""


def test_a_damaged_database_is_told_and_takes_no_copy_away(nights: Nights) -> None:
    assert nights.look()
    nights.library.db.close()
    damage(nights.folder.database)
    assert nights.look(48) is None
    assert nights.there() == 1
    [notice] = nights.notices.unread()
    assert notice.topic == "database copy"
    assert nights.copies.look() is None, "not again at once"
    assert len(nights.notices.all()) == 1
    assert not list(nights.folder.copies.glob(".*")), "nothing half-done is left"
