"""A box is backed up while it runs, and restored elsewhere; what is damaged is refused."""

from __future__ import annotations

import shutil
import sqlite3
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.care.backup import backups, make_backup, verify
from appliance.care.restore import restore
from appliance.errors import Conflict, InvalidInput, StoreError
from appliance.paths import DataFolder
from tests.box import Box
from tests.tui.conftest import import_sounds, publish_toy
from tests.tui.sounds import write_sounds


def nobody(_done: int, _total: int) -> None:
    """Progress that nobody watches."""


@pytest.fixture
def box(tmp_path: Path) -> Any:
    publish_toy(tmp_path / "box")
    (tmp_path / "sounds").mkdir()
    sounds = write_sounds(tmp_path / "sounds", count=4)
    made = Box(tmp_path / "box")
    made.start()
    import_sounds(made, sounds)
    yield made
    if made.process is not None and made.process.poll() is None:
        made.stop()


def finished(box: Box) -> dict[str, Any]:
    assert box.client is not None
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        latest: dict[str, Any] = box.client.get("/backups")["latest"]
        if latest["state"] != "running":
            return latest
        time.sleep(0.05)
    raise AssertionError("the backup does not end")


def test_there_and_back(box: Box, tmp_path: Path) -> None:
    assert box.client is not None
    target = tmp_path / "disk"
    box.client.post("/deployments", {"version": "V001"})
    box.client.post("/backups", {"target": str(target)})
    made = finished(box)
    assert (made["state"], made["files"]) == ("done", made["total"])
    clips = list(box.client.pages("/clips"))
    assert verify(Path(made["path"])).clips == len(clips) == 12
    assert not list(target.rglob("token*"))

    # The second one copies only what is new; the sound that was deleted is in the first alone.
    box.client.delete(f"/clips/{clips[0]['id']}")
    box.client.post("/backups", {"target": str(target)})
    second = Path(finished(box)["path"])
    assert verify(second).clips == 11
    assert len(list((target / "clips").glob("??/*.flac"))) == 12
    listed = box.client.get("/backups", target=str(target))["items"]
    assert [backup["clips"] for backup in listed] == [11, 12]
    assert box.client.get("/backups")["items"] == []
    status = box.stop()
    assert status == 0

    # On another box, from the first: everything is there, and it listens.
    other = Box(tmp_path / "other")
    restore(Path(made["path"]), DataFolder(other.data), force=False, tell=nobody)
    other.start()
    try:
        assert other.client is not None
        assert {c["sha256"] for c in other.client.pages("/clips")} == {c["sha256"] for c in clips}
        assert other.client.get("/deployments")["current"]["version"] == "V001"
        assert other.client.get("/deployments")["current"]["problem"] == ""
        sound = other.client.content(f"/clips/{clips[0]['id']}/audio")
        answer = other.client.upload("/predict", [("0", sound)])
        assert answer["version"] == "V001"
        with pytest.raises(Conflict, match="already"):
            restore(second, DataFolder(other.data), force=False, tell=nobody)
    finally:
        other.stop()
    restore(second, DataFolder(other.data), force=True, tell=nobody)
    assert list((other.data / "quarantine").glob("before-restore-*/earmark.db"))
    with closing(sqlite3.connect(other.data / "earmark.db")) as database:
        assert database.execute("SELECT count(*) FROM clips").fetchone() == (11,)


def test_what_is_damaged_is_refused_and_what_is_old_goes(box: Box, tmp_path: Path) -> None:
    box.stop()
    folder, target = DataFolder(box.data), tmp_path / "disk"
    with pytest.raises(InvalidInput, match="among the sounds"):
        make_backup(folder, folder.clips / "x", 2, nobody)
    with pytest.raises(InvalidInput, match="whole path"):
        make_backup(folder, Path("here"), 2, nobody)
    with pytest.raises(InvalidInput, match="is what is to be backed up"):
        make_backup(folder, folder.root, 1, nobody)
    with pytest.raises(InvalidInput, match="there is no folder"):
        make_backup(folder, tmp_path / "not" / "mounted", 1, nobody)
    first = make_backup(folder, target, 2, nobody)
    a_sound = next((target / "clips").glob("??/*.flac"))
    kept = a_sound.read_bytes()
    a_sound.unlink()
    with pytest.raises(InvalidInput, match="1 of 12 sounds are missing"):
        verify(first)
    a_sound.write_bytes(kept)
    verify(first)
    with (first / "earmark.db").open("ab") as database:
        database.write(b"x")
    with pytest.raises(InvalidInput, match="altered"):
        restore(first, DataFolder(tmp_path / "new"), force=False, tell=nobody)
    assert not (tmp_path / "new" / "earmark.db").exists()

    # A sound that is damaged on disk stops the backup, and leaves none that looks whole.
    own = folder.clip(a_sound.stem)
    good = own.read_bytes()
    own.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    shutil.rmtree(target)
    with pytest.raises(StoreError, match="damaged on disk"):
        make_backup(folder, target, 2, nobody)
    assert list(backups(target)) == []
    own.write_bytes(good)
    for _ in range(3):
        make_backup(folder, target, 2, nobody)
    assert len(list(backups(target))) == 2


def test_one_at_a_time_and_nowhere_that_cannot_be(box: Box) -> None:
    assert box.client is not None
    box.client.post("/backups")
    assert finished(box)["state"] == "done"
    assert len(box.client.get("/backups")["items"]) == 1
    box.client.post("/backups", {"target": "/proc/earmark"})
    failed = finished(box)
    assert failed["state"] == "failed"
    assert failed["detail"]
