"""The look at the library: what is damaged or stray is set aside, what is lost is marked."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.care.backup import make_backup
from appliance.care.backup_place import place_of
from appliance.care.inspected import Inspected
from appliance.care.inspection import Inspection
from appliance.care.notices import Notices
from appliance.care.quarantine import CORRUPT, ORPHAN, Quarantine
from appliance.care.release import release
from appliance.errors import Conflict, NotReady
from appliance.library.datasets import Datasets
from appliance.library.readiness import readiness
from appliance.settings import CareSettings
from tests.box import Box, until
from tests.care.test_box import earmark
from tests.care.test_retention import Library
from tests.library.conftest import RATE, sound


class Cared(Library):
    """A library with whatever looks after it."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.quarantine = Quarantine(self.folder)
        self.notices = Notices(self.folder)
        self.places: list[Path] = []

    def file(self, clip: int) -> Path:
        return self.clips.path(self.clips.get(clip))

    def look(self) -> Inspected:
        """A whole run, as the loop does it, but at once."""
        inspection = Inspection(
            self.db,
            self.clips,
            Datasets(self.db, self.folder),
            self.folder,
            CareSettings(inspect_days=0),
            quarantine=self.quarantine,
            notices=self.notices,
            backup_places=lambda: self.places,
        )
        inspection.start()
        inspection.begin()
        try:
            until(lambda: (run := inspection.latest()) is None or run.state != "running", "its end")
            found = inspection.latest()
            assert found is not None
            return found
        finally:
            inspection.stop()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Cared]:
    made = Cared(tmp_path / "data")
    yield made
    made.db.close()


def spoil(file: Path) -> bytes:
    """One bit turns; what it was."""
    good = file.read_bytes()
    file.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
    return good


def test_what_is_damaged_or_stray_goes_to_quarantine_and_comes_back(library: Cared) -> None:
    clips = [library.store(label) for label in ("dog", "cat") for _ in range(15)]
    Datasets(library.db, library.folder).publish("first", "ann")
    damaged, gone, stray = clips[0], clips[1], library.store()
    good = spoil(library.file(damaged))
    library.file(gone).unlink()
    orphan = library.file(stray)
    held = orphan.read_bytes()
    library.clips.delete(stray, "ann")
    orphan.write_bytes(held)
    (orphan.parent / f".{orphan.name}.part").write_bytes(b"half")

    run = library.look()
    assert (run.state, run.files, run.quarantined, run.missing) == ("done", 30, 2, 1)
    items = {item.kind: item for item in library.quarantine.all()}
    assert set(items) == {CORRUPT, ORPHAN}
    assert items[CORRUPT].clip == damaged
    assert library.ids() == set(clips), "rows stay"
    assert [library.clips.get(clip).missing for clip in clips[:3]] == [True, True, False]
    assert readiness(library.db).classes[1].clips == 13, "no training rests on them"
    assert Datasets(library.db, library.folder).publish("second", "ann").clips == 28
    [notice] = library.notices.unread()
    assert notice.state == "failing"
    assert "2 files set aside in quarantine, 1 files gone, 2 clips without" in notice.says

    # Nothing new: nothing is said, and what is known costs nothing of the tenth.
    library.notices.acknowledge("ann")
    assert library.look().missing == 0
    assert library.notices.unread() == []

    # Back: the stray one as a clip, the damaged one only once it is whole.
    back = release(items[ORPHAN], library.quarantine, library.db, library.clips, library.folder)
    assert library.clips.get(back).sha256 == orphan.stem
    with pytest.raises(Conflict, match="damaged still"):
        release(items[CORRUPT], library.quarantine, library.db, library.clips, library.folder)
    name = next(iter(items[CORRUPT].files))
    library.quarantine.path(items[CORRUPT], name).write_bytes(good)
    release(items[CORRUPT], library.quarantine, library.db, library.clips, library.folder)
    assert not library.clips.get(damaged).missing
    # The same sound, recorded or imported again, brings the file back.
    again = library.clips.add_samples(sound(2, 0.5), RATE, source="import", session=1)
    assert (again.id, again.missing) == (gone, False)
    assert library.file(gone).exists()
    assert library.quarantine.all() == []


def test_a_backup_heals_what_was_lost(library: Cared, tmp_path: Path) -> None:
    clips = [library.store() for _ in range(20)]
    make_backup(library.folder, tmp_path / "disk", 3, lambda *_: None)
    place = place_of(library.folder, tmp_path / "disk")
    assert place is not None
    library.places = [tmp_path / "unplugged", place]
    good = spoil(library.file(clips[3]))
    library.file(clips[4]).unlink()
    run = library.look()
    assert (run.quarantined, run.missing, run.healed) == (1, 1, 2)
    assert library.file(clips[3]).read_bytes() == good
    assert library.file(clips[4]).exists()
    assert library.clips.losses.count() == 0
    assert library.notices.unread()[0].state == "warning"


def test_never_more_than_a_tenth_goes(library: Cared) -> None:
    clips = [library.store("dog") for _ in range(20)]
    for clip in clips[:5]:
        library.file(clip).rename(library.file(clip).with_suffix(".lost"))
    run = library.look()
    assert (run.state, run.quarantined + run.missing) == ("stopped", 2)
    assert len([c for c in clips if library.clips.get(c).missing]) <= 2
    [stopped] = [one for one in library.notices.unread() if one.topic == "library"]
    assert "a tenth" in stopped.says
    # The disk was mounted late: what was marked is found again.
    for file in library.folder.clips.rglob("*.lost"):
        file.rename(file.with_suffix(".flac"))
    for item in library.quarantine.all():
        [name] = item.files
        library.quarantine.path(item, name).rename(library.folder.clip(Path(name).stem))
    assert library.look().state == "done"
    assert library.clips.losses.count() == 0


def test_a_new_database_takes_nothing(library: Cared) -> None:
    for _ in range(3):
        library.store()
    with library.db.write() as tx:
        tx.conn.execute("DELETE FROM clips")
    run = library.look()
    assert (run.state, run.quarantined) == ("stopped", 0)
    with pytest.raises(NotReady):
        Datasets(library.db, library.folder).publish("first", "ann")


def test_the_box_looks_when_asked(tmp_path: Path) -> None:
    made = Cared(tmp_path / "box")
    clips = [made.store() for _ in range(12)]
    file = made.file(clips[0])
    good = spoil(file)
    made.db.close()
    box = Box(tmp_path / "box")
    try:
        client = box.start(180)
        found = earmark(box.data, "quarantine", "inspect")
        assert found["inspection"]["state"] == "done"
        [item] = found["items"]
        assert (item["kind"], item["clip"]) == (CORRUPT, clips[0])
        assert client.get(f"/clips/{clips[0]}")["missing"]
        (box.data / "quarantine" / item["id"] / file.name).write_bytes(good)
        [back] = earmark(box.data, "quarantine", "restore", item["id"])
        assert (back["id"], back["missing"]) == (clips[0], False)
        assert client.content(f"/clips/{clips[0]}/audio") == good
        assert client.get("/quarantine")["items"] == []
        [notice] = earmark(box.data, "notices")
        assert "1 files set aside" in notice["says"]
        assert earmark(box.data, "notices", "read") == {"read": 1}
        assert earmark(box.data, "notices") == []
    finally:
        assert box.stop() == 0, box.log.read_text()[-4000:]
