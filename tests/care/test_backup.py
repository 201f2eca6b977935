"""A box is backed up while it runs, and restored elsewhere; what is damaged is refused."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from appliance.care.backup import make_backup, verify
from appliance.care.backup_place import backups, on_the_same_disk, place_of
from appliance.care.quarantine import DATABASE, Quarantine
from appliance.care.restore import restore
from appliance.errors import Conflict, InvalidInput
from appliance.paths import DataFolder
from tests.box import Box
from tests.tui.conftest import import_sounds, publish_toy
from tests.tui.sounds import write_sounds
from tests.waiting import until


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
    client = box.client
    assert client is not None
    return until(
        lambda: (latest := client.get("/backups")["latest"])["state"] != "running" and latest,
        "the backup to end",
    )


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
    assert len(list(second.parent.glob("clips/??/*.flac"))) == 12
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
    [item] = Quarantine(DataFolder(other.data)).all()
    assert (item.kind, item.files["earmark.db"]) == (DATABASE, "earmark.db")
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
    place = place_of(folder, target)
    assert place is not None
    a_sound = next((place / "clips").glob("??/*.flac"))
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

    # A sound that is damaged on disk does not keep the others from being backed up; its row stays.
    own = folder.clip(a_sound.stem)
    good = own.read_bytes()
    own.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    shutil.rmtree(target)
    lacking = verify(make_backup(folder, target, 2, nobody))
    assert (lacking.clips, lacking.missing) == (11, 1)
    own.write_bytes(good)
    (place / ".000009-20261124-031700").mkdir()
    (place / "clips" / a_sound.parent.name).mkdir(exist_ok=True)
    (place / "clips" / a_sound.parent.name / f".{a_sound.name}.part").write_bytes(b"half")
    for _ in range(3):
        newest = make_backup(folder, target, 2, nobody)
    assert next(backups(place)) == newest
    assert len(list(backups(place))) == 2
    assert not list(place.rglob(".*")), "what a power cut left is gone"
    assert verify(newest).missing == 0

    # Restored, every sound is compared with its hash: one that was altered is missing, not taken.
    a_sound.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    (place / "clips" / "zz").mkdir()
    (place / "clips" / "zz" / "nobody.flac").write_bytes(b"what no row names stays there")
    done = restore(newest, new := DataFolder(tmp_path / "odd ?#%41 path"), force=False, tell=nobody)
    assert (done.clips, done.missing) == (11, 1)
    assert len(list(new.clips.glob("??/*"))) == 11
    with closing(sqlite3.connect(new.database)) as database:
        lost = database.execute("SELECT sha256 FROM clips WHERE missing_since IS NOT NULL")
        assert lost.fetchall() == [(a_sound.stem,)]
    # And back again from there, by its odd name.
    assert verify(make_backup(new, tmp_path / "a?b#c%25", 2, nobody)).missing == 1


def test_two_boxes_at_one_place_leave_each_other_alone(tmp_path: Path) -> None:
    target = tmp_path / "disk"
    made = []
    for name in ("one", "two"):
        publish_toy(tmp_path / name)
        folder = DataFolder(tmp_path / name)
        (folder.version("V001") / "card.json").write_text(f'{{"of": "{name}"}}')
        made += [make_backup(folder, target, 1, nobody) for _ in range(2)][1:]
        assert on_the_same_disk(folder, target)
    assert [verify(backup).versions for backup in made] == 2 * [["V001"]]
    with pytest.raises(InvalidInput, match="several boxes"):
        restore(target, DataFolder(tmp_path / "new"), force=False, tell=nobody)
    restored = DataFolder(tmp_path / "new")
    restore(made[1].parent, restored, force=False, tell=nobody)
    assert "two" in (restored.version("V001") / "card.json").read_text()


def test_one_at_a_time_and_nowhere_that_cannot_be(box: Box) -> None:
    assert box.client is not None
    box.client.post("/backups")
    assert finished(box)["state"] == "done"
    assert len(box.client.get("/backups")["items"]) == 1
    box.client.post("/backups", {"target": "/proc/earmark"})
    failed = finished(box)
    assert failed["state"] == "failed"
    assert failed["detail"]
