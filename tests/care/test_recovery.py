"""A database whose pages were overwritten: the daemon starts, with the newest backup or without."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.care.backup import copy_database, make_backup
from appliance.care.backup_place import backups, place_of
from appliance.care.notices import Notices
from appliance.care.recovery import make_whole
from appliance.care.restore import restore
from appliance.daemon import running
from appliance.errors import StoreError
from appliance.library.datasets import Datasets
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.settings import BackupSettings, Settings
from appliance.store.examine import examine
from tests.box import Box, until
from tests.care.test_retention import Library
from tests.models import toy


def nobody(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


def damage(database: Path, first_page: int = 2) -> None:
    """Overwrite pages, as a dying card does it; the header stays."""
    size = database.stat().st_size
    with database.open("r+b") as file:
        file.seek(first_page * 4096)
        file.write(os.urandom(size - first_page * 4096))


def spoil(database: Path, names: list[str]) -> None:
    """Overwrite the root pages of these tables and indexes."""
    with closing(sqlite3.connect(database)) as opened:
        roots = [
            opened.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (name,)).fetchone()
            for name in names
        ]
    with database.open("r+b") as file:
        for (page,) in roots:
            file.seek((page - 1) * 4096)
            file.write(os.urandom(4096))


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path / "box")
    yield made
    made.db.close()


def fill(library: Library) -> list[int]:
    """Two classes of five, in a dataset version; two clips without a label."""
    labelled = [library.store(label) for label in ("dog", "cat") for _ in range(5)]
    Datasets(library.db, library.folder).publish("first", "ann")
    return [*labelled, library.store(), library.store()]


def doctor(box: Box) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "--data", box.data, "--json", "doctor"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    [check] = [one for one in json.loads(done.stdout)["checks"] if one["name"] == "notices"]
    return dict(check)


def test_the_newest_whole_backup_comes_back_and_later_sounds_with_it(library: Library) -> None:
    folder, ids = library.folder, fill(library)
    library.clips.set_label(ids[-1:], "dog", "ann")
    make_backup(folder, folder.backups, 3, nobody)
    newer = make_backup(folder, folder.backups, 3, nobody)
    with (newer / "earmark.db").open("ab") as database:
        database.write(b"x")
    library.store("owl")
    library.clips.set_label(ids[:1], "owl", "ann")
    library.db.close()
    # Sounds of the backup that the box itself lost come from there, too.
    lost = next(folder.clips.glob("??/*.flac"))
    lost.unlink()
    # Pages of indexes and of two tables: what stands on the others is read from the damaged file.
    spoil(folder.database, ["clips_by_label", "clips_by_time", "jobs", "label_history"])

    box = Box(folder.root)
    try:
        client = box.start(180)
        assert len(list(client.pages("/clips", label="dog"))) == 5
        check = doctor(box)
        assert check["state"] == "failing"
        assert "was set aside in quarantine/000001" in check["says"]
        assert "was restored, with 12 clips" in check["says"]
        assert "database" in {one["topic"] for one in client.get("/status")["notices"]}
        assert client.content(f"/clips/{ids[0]}/audio")
        assert lost.exists()
        until(lambda: not folder.rebuild.exists(), "the rebuilding has ended")
        owls = {clip["id"]: clip["source"] for clip in client.pages("/clips", label="owl")}
        assert owls == {ids[0]: "recording", max(ids) + 1: "recording"}, "newer than the backup"

        [item] = client.get("/quarantine")["items"]
        assert (item["kind"], next(iter(item["files"]))) == ("database", "earmark.db")
        assert client.post("/notices/read")["read"] == 2
        assert client.get("/notices")["items"][0]["read_by"] != ""
        health = {one["name"]: one["state"] for one in client.get("/health")["checks"]}
        assert (health["notices"], health["database"]) == ("ok", "ok")
    finally:
        assert box.stop() == 0, box.log.read_text()[-4000:]
    # What was read stays read, and a whole database is left alone.
    assert Notices(folder).unread() == []
    before = folder.database.read_bytes()
    make_whole(folder, Settings(), Notices(folder))
    assert folder.database.read_bytes() == before


def test_without_a_backup_the_files_say_what_they_can(library: Library) -> None:
    folder, ids = library.folder, fill(library)
    sha256 = {library.clips.get(clip).sha256: clip for clip in ids[:10]}
    library.db.close()
    # Cut off in the middle, with a log that nobody took up.
    with folder.database.open("r+b") as database:
        database.truncate(database.seek(0, os.SEEK_END) // 2)
    folder.database.with_name("earmark.db-wal").write_bytes(os.urandom(5000))

    box = Box(folder.root)
    try:
        client = box.start(180)
        until(lambda: not folder.rebuild.exists(), "the rebuilding has ended")
        clips = list(client.pages("/clips"))
        assert {c["sha256"]: c["id"] for c in clips if c["label"]} == sha256
        assert [c["source"] for c in clips if not c["label"]] == 2 * ["recovered"]
        assert all(clip["id"] > max(ids[:10]) for clip in clips if not clip["label"])
        assert [v["name"] for v in client.get("/dataset-versions")["items"]] == ["first"]
        assert client.get("/readiness")["ready"]
        says = " ".join(notice["says"] for notice in client.get("/notices")["items"])
        assert "There is no backup of this box" in says
        assert "12 clips and 1 dataset versions were made again" in says
    finally:
        assert box.stop() == 0, box.log.read_text()[-4000:]
    with closing(sqlite3.connect(folder.database)) as database:
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_notice_says_that_no_version_listens_any_more(library: Library) -> None:
    """What was trained and deployed after the copy comes back from its folder; whether it was
    deployed stood in the lost database alone."""
    folder = library.folder
    fill(library)
    copy_database(folder, 3)
    result = toy.write_result(folder.job(1) / "result")
    facts = {"job": None, "dataset_version": None, "parent": None}
    Versions(library.db, folder, library.bus).publish(
        result, stopped="converged", seconds=1.0, **facts
    )
    library.db.close()
    damage(folder.database)
    with running(folder, Settings(), idle=True) as services:
        [notice] = [one for one in services.house.notices.unread() if one.topic == "database"]
        assert "was restored, with 12 clips" in notice.says
        assert notice.advice.startswith("no version listens now: `earmark deploy V001`; look at")
        services.house.deployments.deploy("V001")
    # What listens is the newest: nothing more is to be said.
    copy_database(folder, 3)
    damage(folder.database)
    with running(folder, Settings(), idle=True) as services:
        assert "listens now" not in services.house.notices.unread()[0].advice


def test_a_restore_that_was_cut_short_goes_on_or_says_so(library: Library, tmp_path: Path) -> None:
    fill(library)
    target = tmp_path / "disk"
    made = make_backup(library.folder, target, 3, nobody)
    other = DataFolder(tmp_path / "other")
    restore(made, other, force=False, tell=nobody)
    other.database.unlink()
    other.restoring.write_text(str(made))
    away = tmp_path / "unplugged"
    target.rename(away)
    with pytest.raises(StoreError, match="cut short"):
        make_whole(other, Settings(), Notices(other))
    away.rename(target)
    make_whole(other, Settings(), Notices(other))
    assert examine(other.database, thorough=True).damage == ""
    assert not other.restoring.exists()


def test_a_new_box_comes_back_from_the_backup_that_it_was_made_of(
    library: Library, tmp_path: Path
) -> None:
    """It has a box's id, and so a backup, of its own only after its first night."""
    fill(library)
    made = make_backup(library.folder, tmp_path / "disk", 3, nobody)
    other = DataFolder(tmp_path / "other")
    whole = restore(made, other, force=False, tell=nobody).clips
    settings = Settings(backup=BackupSettings(target=str(tmp_path / "disk")))
    damage(other.database)
    make_whole(other, settings, notices := Notices(other))
    assert examine(other.database, thorough=True).damage == ""
    assert f"restored, with {whole} clips" in notices.unread()[0].says


def test_what_is_no_damage_is_left_alone(library: Library, tmp_path: Path) -> None:
    folder = library.folder
    fill(library)
    library.db.close()
    # A disk that does not give the file is no reason to set it aside.
    folder.database.rename(tmp_path / "elsewhere.db")
    folder.database.mkdir()
    with pytest.raises(StoreError, match="cannot be read"):
        make_whole(folder, Settings(), Notices(folder))
    folder.database.rmdir()
    (tmp_path / "elsewhere.db").rename(folder.database)
    # A check that takes too long is no finding.
    assert not examine(folder.database, limit_s=0.0).damage
    # Two places: the newest backup of both comes first, whatever it is called.
    settings = Settings(backup=BackupSettings(target=str(tmp_path / "disk")))
    make_backup(folder, tmp_path / "disk", 3, nobody)
    make_backup(folder, folder.backups, 3, nobody)
    newest = next(backups(place_of(folder, folder.backups)))
    damage(folder.database)
    make_whole(folder, settings, notices := Notices(folder))
    assert newest.exists()
    assert notices.unread()[0].state == "failing"
    assert examine(folder.database).damage == ""
