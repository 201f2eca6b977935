"""Publishing, deleting and what a power cut leaves of either."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.events import EventBus
from appliance.models.deploy import Deployments
from appliance.models.result import check_result
from appliance.models.version import named
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.models import toy
from tests.models.conftest import Publish


def test_a_result_becomes_v001(
    publish: Publish, result: Path, versions: Versions, bus: EventBus
) -> None:
    made = publish(result, job=1, dataset_version="spring", stopped="time limit", seconds=61.0)
    assert made == versions.get("V001")
    assert (made.name, made.number, made.state, made.source) == ("V001", 1, "ready", "trained")
    assert made.classes == toy.CLASSES
    assert (made.accuracy, made.macro_f1) == (0.9, 0.89)
    assert (made.job, made.dataset_version, made.stopped) == (1, "spring", "time limit")
    assert (made.window_s, made.hop_s, made.sample_rate) == (0.25, 0.125, 16_000)
    assert made.seconds == 61.0
    assert not result.exists()
    assert (versions.path("V001") / "model.onnx").exists()
    assert versions.card("V001")["architecture"] == "toy"
    assert versions.evaluation("V001")["confusion"]["labels"] == toy.CLASSES
    told = [event.data for event in bus.since(0)]
    assert told == [{"version": "V001", "what": "published"}]


def test_a_version_says_why_its_figures_are_optimistic(
    publish: Publish, result: Path, versions: Versions
) -> None:
    def rated(optimistic: bool, sessions: int) -> list[dict[str, object]]:
        one = {"label": "low", "support": 10, "optimistic": optimistic, "sessions": sessions}
        return [one, {**one, "label": "high", "optimistic": False, "sessions": 3}]

    for told, why in (
        ({"optimistic": True, "on_training_clips": True}, "clips that it was trained on"),
        ({"optimistic": True, "classes": rated(True, 2)}, "clips that it was trained on"),
        ({"optimistic": True, "classes": rated(True, 1)}, "one recording only of low"),
        ({"optimistic": False, "on_training_clips": False}, ""),
    ):
        folder = result if result.exists() else toy.write_result(result)
        (folder / "evaluation.json").write_text(json.dumps(toy.evaluation(**told)))
        made = publish(folder)
        assert made.optimistic.endswith(why), told
        assert bool(made.optimistic) is bool(why)
        assert versions.get(made.name) == made


@pytest.mark.parametrize("written", ["V007", "v007", "v7", "7", " 7 "])
def test_a_version_is_known_however_it_is_written(written: str) -> None:
    assert named(written) == "V007"
    assert named("V1000") == "V1000"
    for other in ("", "V", "7a", "V-7", "current", "../V007", "٧"):
        assert named(other) == other


def test_a_job_makes_one_version(publish: Publish, result: Path, versions: Versions) -> None:
    first = publish(result, job=1)
    assert publish(result, job=1) == first, "the folder has moved; the answer is the same"
    assert versions.of_job(1) == first
    assert publish().name == "V002"


def test_numbers_are_never_used_again(publish: Publish, versions: Versions) -> None:
    publish()
    publish()
    versions.delete("V002")
    versions.delete("V001")
    assert publish().name == "V003"
    assert [version.name for version in versions.all()] == ["V003"]


def test_an_older_database_gives_no_number_out_again(
    publish: Publish, db: Database, folder: DataFolder, bus: EventBus, tmp_path: Path
) -> None:
    publish()
    with closing(sqlite3.connect(tmp_path / "older.db")) as older:
        db.read().conn.backup(older)
    publish()
    publish()
    Versions(db, folder, bus).delete("V003")
    with closing(Database(tmp_path / "older.db")) as restored:
        versions = Versions(restored, folder, bus)
        assert [version.name for version in versions.recover()] == ["V002"]
        # Also when what was left of V003 is gone from quarantine, too.
        shutil.rmtree(folder.quarantine)
        made = toy.write_result(folder.jobs / "next" / "result")
        facts = {"job": None, "dataset_version": None, "parent": None}
        assert versions.publish(made, stopped="converged", seconds=1.0, **facts).name == "V004"


def test_a_thousand_versions_keep_their_order(publish: Publish, db: Database) -> None:
    publish()
    with db.write() as tx:
        tx.conn.execute("UPDATE sqlite_sequence SET seq = 999 WHERE name = 'versions'")
    assert publish().name == "V1000"


def test_delete_keeps_the_row_and_removes_the_weights(
    publish: Publish, versions: Versions, db: Database
) -> None:
    publish()
    versions.delete("V001")
    with pytest.raises(NotFound, match="was deleted"):
        versions.get("V001")
    for question in (versions.card, versions.evaluation, versions.lineage, versions.delete):
        with pytest.raises(NotFound):
            question("V001")
    row = db.row("SELECT * FROM versions")
    assert row is not None
    assert row["deleted_at"] is not None
    assert row["accuracy"] == 0.9
    left = {path.name for path in versions.path("V001").iterdir()}
    assert not {"model.onnx", "model.safetensors", "reference.npz"} & left
    assert "evaluation.json" in left


def test_what_is_deployed_is_not_deleted(
    publish: Publish, versions: Versions, deployments: Deployments
) -> None:
    publish()
    publish()
    deployments.deploy("V001")
    assert versions.get("V001").state == "deployed"
    with pytest.raises(Conflict, match="deployed"):
        versions.delete("V001")
    assert (versions.path("V001") / "model.onnx").exists()
    deployments.deploy("V002")
    versions.delete("V001")


def test_a_note(publish: Publish, versions: Versions) -> None:
    publish()
    assert versions.note("V001", "in the kitchen").note == "in the kitchen"
    assert versions.get("V001").note == "in the kitchen"
    with pytest.raises(InvalidInput):
        versions.note("V001", "x" * 2001)
    with pytest.raises(NotFound):
        versions.note("V009", "")


@pytest.mark.parametrize("name", ["V001", "V999", "", "v1", "../V001", "V1'; DROP TABLE versions"])
def test_unknown_names_are_not_found(versions: Versions, name: str) -> None:
    with pytest.raises(NotFound):
        versions.get(name)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("card.json", "{"),
        ("card.json", "[]"),
        ("card.json", json.dumps(toy.card(format=2))),
        ("card.json", json.dumps(toy.card(classes=["one"]))),
        ("card.json", json.dumps(toy.card(classes=["a", "a"]))),
        ("card.json", json.dumps(toy.card(classes=["a", "b\nc"]))),
        ("card.json", json.dumps(toy.card(classes=["a", "b/c"]))),
        ("card.json", json.dumps(toy.card(window_samples=-4))),
        ("card.json", json.dumps(toy.card(hop_samples=4001))),
        ("card.json", json.dumps(toy.card(sample_rate=True))),
        ("evaluation.json", "{}"),
        ("evaluation.json", json.dumps(toy.evaluation(accuracy=float("nan")))),
        ("evaluation.json", json.dumps(toy.evaluation(accuracy="good"))),
        ("evaluation.json", json.dumps(toy.evaluation(confusion={"labels": ["a"], "counts": []}))),
        ("evaluation.json", json.dumps(toy.evaluation(curves=[1]))),
    ],
)
def test_what_describes_itself_badly_is_not_published(
    publish: Publish, result: Path, versions: Versions, file: str, content: str
) -> None:
    (result / file).write_text(content)
    with pytest.raises(InvalidInput, match=file.split(".")[0]):
        publish(result)
    assert versions.all() == []
    assert result.exists(), "nothing has moved"


@pytest.mark.parametrize("file", ["model.onnx", "card.json", "reference.npz"])
def test_a_damaged_result_is_seen(result: Path, file: str) -> None:
    assert check_result(result).stopped == "converged"
    content = bytearray((result / file).read_bytes())
    content[len(content) // 2] ^= 1
    (result / file).write_bytes(content)
    with pytest.raises(InvalidInput, match=f"{file} is damaged"):
        check_result(result)
    (result / file).write_bytes(content[:-1])
    with pytest.raises(InvalidInput, match=f"{file} has"):
        check_result(result)
    (result / file).unlink()
    with pytest.raises(InvalidInput, match=f"lacks {file}"):
        check_result(result)


def test_lineage_goes_down_to_clips_and_microphones(
    publish: Publish, versions: Versions, folder: DataFolder
) -> None:
    clips = [
        {"id": n, "sha256": f"{n:064x}", "label": label, "session": n, "microphone": microphone}
        for n, (label, microphone) in enumerate(
            [("dog", "usb-1"), ("dog", "usb-2"), ("cat", "usb-1"), ("cat", None)]
        )
    ]
    folder.dataset("spring").write_text(json.dumps({"name": "spring", "clips": clips}))
    publish()
    publish(parent="V001", dataset_version="spring", job=4)
    publish(parent="V002", dataset_version="spring")
    versions.delete("V001")
    told = versions.lineage("V003")
    assert [line["version"] for line in told["parents"]] == ["V002", "V001"]
    assert [line["deleted"] for line in told["parents"]] == [False, True]
    assert told["dataset"]["clips"] == clips
    assert told["dataset"]["microphones"] == {"usb-1": 2, "usb-2": 1, "import": 1}
    assert told["dataset"]["classes"] == {"dog": 2, "cat": 2}
    assert versions.lineage("V002")["job"] == 4


def test_lineage_without_its_manifest_says_so(publish: Publish, versions: Versions) -> None:
    publish(dataset_version="gone")
    assert "missing" in versions.lineage("V001")["dataset"]["problem"]


CUT = """
import os, signal, sys
from pathlib import Path
from appliance.events import EventBus
from appliance.models import versions as module
from appliance.paths import DataFolder
from appliance.store.database import Database

step, root, result = int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3])
seen = 0

def audit(event, args):
    # every rename, removal and change of a file is a moment to die at
    global seen
    touches = event in ("os.rename", "os.remove", "os.rmdir", "os.mkdir") or (
        event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+"))
    if touches and str(root) in str(args[0]) and "earmark.db" not in str(args[0]):
        seen += 1
        if seen == step:
            os.kill(os.getpid(), signal.SIGKILL)

folder = DataFolder(root)
versions = module.Versions(Database(folder.database), folder, EventBus())
sys.addaudithook(audit)
if sys.argv[4] == "publish":
    versions.publish(result, job=1, dataset_version=None, parent=None, stopped="converged",
                     seconds=1.0)
    if step == seen + 1:  # one more: after the commit
        os.kill(os.getpid(), signal.SIGKILL)
else:
    versions.delete("V001")
print(seen)
"""


def cut(step: int, folder: DataFolder, result: Path, what: str) -> int | None:
    """Run one operation in a process that dies at its `step`-th touch of the disk; the number of
    touches when it lived to its end."""
    child = subprocess.run(
        [sys.executable, "-c", CUT, str(step), str(folder.root), str(result), what],
        stdout=subprocess.PIPE,
        check=False,
    )
    if child.returncode == -signal.SIGKILL:
        return None
    assert child.returncode == 0
    return int(child.stdout)


@pytest.mark.parametrize("step", range(1, 5))
def test_publication_survives_kill_9_at_each_step(
    folder: DataFolder, bus: EventBus, result: Path, step: int
) -> None:
    Database(folder.database).close()
    touches = cut(step, folder, result, "publish")
    assert touches is None or touches < step
    db = Database(folder.database)
    versions = Versions(db, folder, bus)
    versions.recover()
    if result.exists():
        versions.publish(
            result, job=1, dataset_version=None, parent=None, stopped="converged", seconds=1.0
        )
    made = versions.of_job(1)
    assert made is not None
    assert (made.name, made.seconds) == ("V001", 1.0)
    assert [version.name for version in versions.all()] == ["V001"]
    check_result(versions.path("V001"))
    assert sorted(path.name for path in folder.versions.iterdir()) == ["V001"]
    assert db.rows("PRAGMA integrity_check") == [{"integrity_check": "ok"}]
    db.close()


@pytest.mark.parametrize("step", range(1, 5))
def test_deletion_survives_kill_9_at_each_step(
    folder: DataFolder, bus: EventBus, result: Path, step: int
) -> None:
    db = Database(folder.database)
    Versions(db, folder, bus).publish(
        result, job=1, dataset_version=None, parent=None, stopped="converged", seconds=1.0
    )
    db.close()
    cut(step, folder, result, "delete")
    db = Database(folder.database)
    versions = Versions(db, folder, bus)
    versions.recover()
    row = db.row("SELECT deleted_at FROM versions")
    assert row is not None
    assert row["deleted_at"] is not None, "the row goes first"
    assert not (versions.path("V001") / "model.onnx").exists()
    assert versions.all() == []
    db.close()


def test_a_folder_that_can_be_no_version_is_set_aside(
    folder: DataFolder, versions: Versions, publish: Publish
) -> None:
    (folder.versions / "V001").mkdir()
    (folder.versions / "V001" / "model.onnx").write_bytes(b"half")
    (folder.versions / "incoming-1").mkdir()
    assert versions.recover() == []
    assert [path.name for path in folder.versions.iterdir()] == []
    aside = list(folder.quarantine.iterdir())
    assert len(aside) == 1
    assert (aside[0] / "model.onnx").read_bytes() == b"half"
    assert publish().name == "V002"


def test_nothing_is_told_before_it_is_durable(
    publish: Publish, result: Path, db: Database, bus: EventBus, versions: Versions
) -> None:
    def cut_short() -> None:
        with db.write():
            publish(result, job=1)
            raise RuntimeError("cut")

    with pytest.raises(RuntimeError):
        cut_short()
    assert bus.since(0) == []
    assert versions.all() == []
    assert publish(result, job=1).name == "V001", "completed from the folder that had moved"
    assert (versions.path("V001") / "model.onnx").exists()
