"""A dataset version is published when training may start, and never changes afterwards."""

from __future__ import annotations

import hashlib
import json
import sqlite3

import pytest

from appliance.errors import Conflict, InvalidInput, NotFound, NotReady, StoreError
from appliance.library.clips import ClipFilter, Clips
from appliance.library.datasets import Datasets
from appliance.library.labels import Labels
from appliance.library.readiness import readiness
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.library.conftest import Add


@pytest.fixture
def ready(add: Add) -> None:
    for number in range(6):
        add("dog", session=f"d{number}")
        add("background", session="hum")
    add(None)


def test_publishing_freezes_what_is_labelled(
    ready: None, clips: Clips, labels: Labels, datasets: Datasets, folder: DataFolder
) -> None:
    version = datasets.publish(None, "ann")
    before = datasets.manifest("dataset-001")

    assert (version.name, version.author, version.clips) == ("dataset-001", "ann", 12)
    assert version.classes == {"background": 6, "dog": 6}
    assert version == datasets.get("dataset-001") == datasets.all()[0]
    content = folder.dataset("dataset-001").read_bytes()
    assert hashlib.sha256(content).hexdigest() == version.sha256
    assert before["classes"] == ["background", "dog"]
    assert before["optimistic"] == {"background": "one recording"}
    assert (before["protocol"], before["folds"]) == (version.protocol, version.folds)
    clip = clips.get(before["clips"][0]["id"])
    assert before["clips"][0] == {
        "id": clip.id,
        "sha256": clip.sha256,
        "label": "dog",
        "session": clip.session,
        "session_key": "d0",
        "group": clip.session,
        "microphone": None,
        "source": "recording",
        "filename": None,
        "duration_s": clip.duration_s,
        "sample_rate": clip.sample_rate,
        "recorded_at": clip.recorded_at,
        "fold": before["clips"][0]["fold"],
    }

    # Labels go their way; the version stays, and finds its clips by what they are called now.
    labels.rename("dog", "hound", "ann")
    clips.set_label([clip.id], None, "ann")
    assert datasets.manifest("dataset-001") == before
    assert datasets.get("dataset-001") == version
    held = clips.page(ClipFilter(dataset_version="dataset-001"), None, 100).items
    assert {one.id for one in held} == {one["id"] for one in before["clips"]}


def test_sql_itself_refuses_to_change_one(ready: None, datasets: Datasets, db: Database) -> None:
    datasets.publish("first", "ann")
    for statement in (
        "UPDATE dataset_versions SET name = 'second'",
        "UPDATE dataset_clips SET label = 'cat'",
        "DELETE FROM dataset_clips",
        "DELETE FROM dataset_versions",
        "DELETE FROM clips WHERE id = 1",
    ):
        with pytest.raises(sqlite3.IntegrityError), db.write() as tx:
            tx.conn.execute(statement)
    assert datasets.get("first").clips == 12


def test_a_clip_that_one_holds_is_not_deleted(
    ready: None, clips: Clips, datasets: Datasets
) -> None:
    datasets.publish("first", "ann")
    datasets.publish("second", "ann")
    with pytest.raises(Conflict, match="first, second"):
        clips.delete(1, "ann")
    assert clips.path(clips.get(1)).exists()
    [loose] = clips.page(ClipFilter(unlabelled=True)).items
    clips.delete(loose.id, "ann")


def test_names(ready: None, datasets: Datasets) -> None:
    assert datasets.suggested_name() == "dataset-001"
    datasets.publish("dataset-007", "ann")
    datasets.publish("dataset-x", "ann")
    assert datasets.publish(None, "ann").name == "dataset-008"
    with pytest.raises(Conflict, match="'dataset-x' already"):
        datasets.publish("dataset-x", "ann")
    for name in ("", ".hidden", "a/b", "../x", "a b", "x" * 65, "a\n"):
        with pytest.raises(InvalidInput):
            datasets.publish(name, "ann")
    with pytest.raises(NotFound):
        datasets.manifest("none")
    assert [version.name for version in datasets.all()] == [
        "dataset-008",
        "dataset-x",
        "dataset-007",
    ]


def test_a_publication_that_is_undone_leaves_its_name_free(
    ready: None, datasets: Datasets, db: Database, folder: DataFolder
) -> None:
    def undone() -> None:
        with db.write():
            datasets.publish("first", "ann")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    (folder.datasets / ".left-by-a-cut.new").write_text("half")
    assert datasets.all() == []
    assert datasets.publish("first", "bob").author == "bob"
    assert datasets.manifest("first")["author"] == "bob"
    assert [file.name for file in folder.datasets.iterdir()] == ["first.json"]


def test_a_changed_file_is_noticed(ready: None, datasets: Datasets, folder: DataFolder) -> None:
    datasets.publish("first", "ann")
    file = folder.dataset("first")
    file.write_text(file.read_text().replace('"dog"', '"cat"'))
    with pytest.raises(StoreError, match="not the one"):
        datasets.manifest("first")
    file.unlink()
    with pytest.raises(StoreError, match="cannot be read"):
        datasets.manifest("first")


def test_a_draft_is_what_would_be_published(ready: None, datasets: Datasets) -> None:
    draft = datasets.draft()
    assert datasets.all() == []
    published = datasets.manifest(datasets.publish(None, "").name)
    assert {**draft, "created_at": 0} == {**published, "created_at": 0}
    assert json.loads(json.dumps(draft)) == draft


def test_every_reason_is_given(add: Add, db: Database, labels: Labels, datasets: Datasets) -> None:
    assert readiness(db).reasons == ["0 of 2 classes have clips: none"]
    for _ in range(3):
        add("dog", session="a")
    assert readiness(db).reasons == ["1 of 2 classes have clips: dog", "dog: 3 of 5 clips"]
    for _ in range(4):
        add("background", session="b")
    state = readiness(db)
    assert not state.ready
    assert state.reasons == ["background: 4 of 5 clips", "dog: 3 of 5 clips"]
    for publish in (datasets.draft, datasets.publish):
        with pytest.raises(NotReady) as caught:
            publish()
        assert caught.value.reasons == state.reasons
    add("background", session="b")
    for _ in range(60):
        add("dog", session="a")
    labels.create("empty", "ann")

    state = readiness(db)
    assert state.ready
    assert [(c.label, c.clips, c.sessions, c.needed, c.ready) for c in state.classes] == [
        ("background", 5, 1, 5, True),
        ("dog", 63, 1, 5, True),
        ("empty", 0, 0, 5, False),
    ]
    assert state.warnings == [
        "empty: no clips, so it is left out",
        "background: one recording only, so its figures will be optimistic",
        "dog: one recording only, so its figures will be optimistic",
        "dog has 63 clips and background only 5: judge by each class, not by accuracy",
        "thin background: 5 clips, 0 s; from 20 clips and 60 s on, false alarms become rarer;"
        " `earmark background start MICROPHONE` gathers it by itself",
    ]
    assert datasets.publish().classes == {"background": 5, "dog": 63}
