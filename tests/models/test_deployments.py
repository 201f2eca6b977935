"""Going live, being refused, going back, and coming up again after a restart."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import Conflict, EngineError, InvalidInput, NotFound
from appliance.events import EventBus
from appliance.models.deploy import Deployments
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.settings import Settings
from appliance.store.database import Database
from tests.models import toy
from tests.models.conftest import Publish


def test_nothing_is_live_at_first(deployments: Deployments) -> None:
    assert deployments.engine() is None
    assert deployments.live() is None
    assert deployments.current() is None
    assert deployments.restore() is None
    with pytest.raises(Conflict, match="no earlier"):
        deployments.rollback()
    with pytest.raises(NotFound):
        deployments.deploy("V001")


def test_a_deployment_carries_its_certificate(
    publish: Publish, deployments: Deployments, bus: EventBus
) -> None:
    publish()
    made = deployments.deploy("V001", author="anna")
    assert (made.version, made.precision, made.state, made.author) == (
        "V001", "fp32", "live", "anna"
    )  # fmt: skip
    assert made.certificate["passed"]
    assert made.certificate["agreement"] == 1.0
    assert deployments.current() == made
    live = deployments.live()
    assert live is not None
    assert live == (made, deployments.engine())
    assert bus.since(0)[-1].topic == "deployment"


def test_a_model_that_does_not_agree_is_refused_with_the_figures(
    publish: Publish, deployments: Deployments, folder: DataFolder, versions: Versions
) -> None:
    publish()
    deployments.deploy("V001")
    before = deployments.engine()
    reference = toy.answers(toy.model(), toy.reference_windows())
    tampered = toy.write_result(
        folder.job(9) / "result", made=toy.model(gain=2.5), reference=reference
    )
    publish(tampered)
    with pytest.raises(EngineError, match=r"refused: same label on .* largest difference"):
        deployments.deploy("V002")
    assert deployments.engine() is before, "what listened before goes on"
    refused, live = deployments.history()
    assert (refused.version, refused.state) == ("V002", "refused")
    assert refused.certificate["agreement"] < 1
    assert (live.version, live.state) == ("V001", "live")
    assert versions.get("V002").state == "ready"


def test_a_file_altered_after_publication_is_refused(
    publish: Publish, deployments: Deployments, versions: Versions
) -> None:
    publish()
    file = versions.path("V001") / "model.onnx"
    file.write_bytes(toy.model(gain=1.001).SerializeToString())
    with pytest.raises(EngineError, match="altered"):
        deployments.deploy("V001")
    assert deployments.current() is None


def test_other_precisions(publish: Publish, deployments: Deployments) -> None:
    publish()
    for precision in ("fp16", "int8"):
        made = deployments.deploy("V001", precision)
        assert (made.precision, made.certificate["passed"]) == (precision, True)
    with pytest.raises(InvalidInput, match="fp8"):
        deployments.deploy("V001", "fp8")
    assert [entry.precision for entry in deployments.history()] == ["int8", "fp16"]


def test_rollback_goes_to_what_was_live_before(publish: Publish, deployments: Deployments) -> None:
    for _ in range(3):
        publish()
    deployments.deploy("V001")
    deployments.deploy("V001")
    deployments.deploy("V002")
    assert deployments.rollback("bert").version == "V001"
    assert deployments.rollback().version == "V002", "twice comes back"
    states = [(entry.version, entry.state) for entry in deployments.history()]
    assert states == [
        ("V002", "live"),
        ("V001", "replaced"),
        ("V002", "replaced"),
        ("V001", "replaced"),
        ("V001", "replaced"),
    ]
    assert all(entry.ended_at for entry in deployments.history()[1:])


def test_rollback_passes_over_what_was_deleted(
    publish: Publish, deployments: Deployments, versions: Versions
) -> None:
    for _ in range(3):
        publish()
    for name in ("V001", "V002", "V003"):
        deployments.deploy(name)
    versions.delete("V002")
    assert deployments.rollback().version == "V001"
    versions.delete("V003")
    with pytest.raises(Conflict):
        deployments.rollback()
    current = deployments.current()
    assert current is not None
    assert current.version == "V001"


def test_after_a_restart_the_same_is_live(
    publish: Publish,
    deployments: Deployments,
    db: Database,
    folder: DataFolder,
    versions: Versions,
) -> None:
    publish()
    made = deployments.deploy("V001")
    deployments.close()
    assert deployments.engine() is None
    next_life = Deployments(db, folder, versions, EventBus())
    assert next_life.restore() == made
    engine = next_life.engine()
    assert engine is not None
    assert engine.run(np.zeros((2, toy.WINDOW), np.float32)).shape == (2, 3)
    assert len(next_life.history()) == 1


@pytest.mark.parametrize("damage", ["gone", "altered", "folder"])
def test_a_broken_file_at_a_start_is_shown_and_stops_nothing(
    publish: Publish,
    deployments: Deployments,
    db: Database,
    folder: DataFolder,
    versions: Versions,
    damage: str,
) -> None:
    publish()
    publish()
    deployments.deploy("V001")
    path = versions.path("V001")
    if damage == "gone":
        (path / "model.onnx").unlink()
    elif damage == "altered":
        (path / "model.onnx").write_bytes(b"nonsense")
    else:
        shutil.rmtree(path)
    bus = EventBus()
    next_life = Deployments(db, folder, versions, bus)
    shown = next_life.restore()
    assert shown is not None
    assert shown.state == "live"
    assert shown.problem
    assert bus.since(0)[-1].data["problem"] == shown.problem
    assert next_life.engine() is None
    assert next_life.live() is None
    mended = next_life.deploy("V002")
    assert mended.problem == ""
    assert next_life.engine() is not None


def test_another_release_of_the_runtime_is_certified_again(
    publish: Publish, deployments: Deployments, db: Database, folder: DataFolder, versions: Versions
) -> None:
    publish()
    reference = toy.answers(toy.model(), toy.reference_windows())
    publish(
        toy.write_result(folder.job(9) / "result", made=toy.model(gain=2.5), reference=reference)
    )
    deployments.deploy("V001")
    with db.write() as tx:
        tx.conn.execute("UPDATE deployments SET engine = 'onnxruntime 0.1'")
    next_life = Deployments(db, folder, versions, EventBus())
    restored = next_life.restore()
    assert restored is not None
    assert restored.problem == ""
    with db.write() as tx:
        tx.conn.execute("UPDATE deployments SET version = 'V002'")
    third_life = Deployments(db, folder, versions, EventBus())
    broken = third_life.restore()
    assert broken is not None
    assert "does not agree" in broken.problem
    assert third_life.engine() is None


def test_hot_swap_under_a_listener(publish: Publish, deployments: Deployments) -> None:
    """A thread that never stops running the live engine meets no error and no gap."""
    for _ in range(2):
        publish()
    deployments.deploy("V001")
    windows = toy.reference_windows(4)
    errors: list[Exception] = []
    runs = {"V001": 0, "V002": 0}
    stop = threading.Event()

    def listen() -> None:
        while not stop.is_set():
            try:
                live = deployments.live()
                assert live is not None
                assert live[1].run(windows).shape == (4, 3)
                runs[live[0].version] += 1
            except Exception as error:
                errors.append(error)
                return

    listeners = [threading.Thread(target=listen) for _ in range(2)]
    for thread in listeners:
        thread.start()
    for turn in range(8):
        deployments.deploy(("V002", "V001")[turn % 2])
    stop.set()
    for thread in listeners:
        thread.join()
    assert errors == []
    assert all(count > 0 for count in runs.values())


def test_who_holds_the_old_engine_finishes_with_it(
    publish: Publish, deployments: Deployments
) -> None:
    for _ in range(2):
        publish()
    deployments.deploy("V001")
    held = deployments.engine()
    assert held is not None
    deployments.deploy("V002")
    assert deployments.engine() is not held
    assert held.run(toy.reference_windows(2)).shape == (2, 3)


def test_two_deployments_at_once_leave_one_live(
    publish: Publish, deployments: Deployments, db: Database
) -> None:
    for _ in range(3):
        publish()
    threads = [
        threading.Thread(target=deployments.deploy, args=(name,))
        for name in ("V001", "V002", "V003", "V001", "V002")
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    live = [entry for entry in deployments.history() if entry.state == "live"]
    assert len(live) == 1
    held = deployments.live()
    assert held is not None
    assert held[0] == live[0]


def test_thresholds(db: Database) -> None:
    thresholds = Thresholds(db, Settings())
    assert thresholds.get("dog") == 0.6
    assert thresholds.set("dog", 0.9, "anna") == 0.9
    assert thresholds.set("dog", 0.8) == 0.8
    assert thresholds.set("cat", 1) == 1.0
    assert thresholds.all() == {"dog": 0.8, "cat": 1.0}
    assert Thresholds(db, Settings()).get("dog") == 0.8, "after a restart too"
    assert thresholds.clear("dog") == 0.6
    assert thresholds.get("dog") == 0.6
    for wrong in (0, -0.1, 1.01, float("nan")):
        with pytest.raises(InvalidInput, match="threshold"):
            thresholds.set("dog", wrong)
    assert thresholds.get("dog") == 0.6


def test_the_history_names_are_paths_of_nobody(deployments: Deployments, tmp_path: Path) -> None:
    for name in ("../../etc", "V001/../V002", ""):
        with pytest.raises(NotFound):
            deployments.deploy(name)
