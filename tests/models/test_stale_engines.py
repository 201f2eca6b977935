"""Certificates, engines that were altered, and upgrades: listening goes on through all."""

from __future__ import annotations

import threading
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import EngineError
from appliance.events import EventBus
from appliance.models.build_process import run_build
from appliance.models.certificate import certify, read_reference
from appliance.models.compiler import LOADING_FILE
from appliance.models.engine import open_reference_engine
from appliance.models.target import Target
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.models import toy
from tests.models.builders import Box, crashing, slowly
from tests.models.conftest import Publish
from tests.waiting import until

BEFORE = Target("onnxruntime", "1.20.0", l4t="36.4.0")
AFTER = Target("onnxruntime", "1.23.0", l4t="39.2.0")


# --- certificates -----------------------------------------------------------------------------


def test_what_each_precision_must_reach(whole_result: Path, tmp_path: Path) -> None:
    """The same small disagreement: too much for fp32 and fp16, enough for int8 unless the
    labelled windows lose more than a point."""
    engine = open_reference_engine(whole_result)
    reference = read_reference(whole_result / "reference.npz")
    windows = np.resize(reference.windows, (120, toy.WINDOW))
    truth = toy.answers(toy.model(), windows)
    stored = truth.copy()
    stored[[0, 3], :] = stored[[0, 3], ::-1]  # 2 of 120 windows: 98.3 % agree

    def passed(precision: str, labels: np.ndarray | None) -> bool:
        file = tmp_path / "reference.npz"
        more = {} if labels is None else {"labels": labels}
        np.savez(file, windows=windows, probabilities=stored, **more)
        return certify(engine, file, precision, timed=False).passed

    assert not passed("fp32", None)
    assert not passed("fp16", None)
    assert passed("int8", None), "an early version without labels"
    assert passed("int8", truth.argmax(axis=1)), "where they differ, the engine is right"
    assert not passed("int8", stored.argmax(axis=1)), "1.7 points lost"


def test_a_refusal_shows_accuracy_and_advice(
    publish: Publish, box: Box, folder: DataFolder
) -> None:
    reference = toy.answers(toy.model(), toy.reference_windows())
    tampered = toy.write_result(
        folder.job(9) / "result", made=toy.model(gain=2.5), reference=reference
    )
    publish(tampered)
    deployments = box()
    for precision in ("fp16", "int8"):
        with pytest.raises(EngineError, match=r"refused: same label on .* reference") as refusal:
            deployments.deploy("V001", precision)
        assert "fp32" in refusal.value.advice
    assert [entry.state for entry in deployments.history()] == ["refused", "refused"]
    assert list(folder.engines.glob("*.engine")) == [], "what was refused is not kept"


# --- staleness -----------------------------------------------------------------------------------


def test_an_upgrade_builds_anew_while_something_listens(
    publish: Publish, box: Box, bus: EventBus
) -> None:
    publish()
    made = box(BEFORE).deploy("V001", "int8")
    gate = threading.Event()
    upgraded = box(AFTER, build=partial(slowly, gate=gate))
    shown = upgraded.restore()
    assert shown is not None
    assert shown.problem == ""
    assert "its release 1.20.0 -> 1.23.0; L4T 36.4.0 -> 39.2.0" in shown.notice
    stand_in = upgraded.live()
    assert stand_in is not None, "it listens at once"
    windows = toy.reference_windows(6)
    assert np.allclose(stand_in[1].run(windows), toy.answers(toy.model(), windows), atol=1e-6)
    gate.set()
    until(lambda: upgraded.current().notice == "", "the rebuild")  # type: ignore[union-attr]
    now = upgraded.live()
    assert now is not None
    assert now[1] is not stand_in[1]
    assert now[0].id == made.id, "the same deployment goes on"
    assert now[0].made_for["l4t"] == "39.2.0"
    assert stand_in[1].run(windows).shape == (6, 3), "who holds the old one finishes"
    assert bus.since(0)[-1].topic == "deployment"
    # The next start finds the new engine and builds nothing.
    third = box(AFTER, build=lambda *_, **__: pytest.fail("nothing is to be built"))
    restored = third.restore()
    assert restored is not None
    assert restored.notice == ""


def test_an_altered_engine_is_built_anew(
    publish: Publish, box: Box, folder: DataFolder, caplog: pytest.LogCaptureFixture
) -> None:
    publish()
    box().deploy("V001", "fp16")
    (engine,) = folder.engines.glob("*.engine")
    good = engine.read_bytes()
    engine.write_bytes(good[:-1] + b"!")
    deployments = box()
    shown = deployments.restore()
    assert shown is not None
    assert "altered" in shown.notice
    until(lambda: deployments.current().notice == "", "the rebuild")  # type: ignore[union-attr]
    assert engine.read_bytes() == good
    engine.write_bytes(b"")
    assert box().deploy("V001", "fp16").state == "live"
    assert "altered" in caplog.text


def test_a_failed_rebuild_leaves_the_stand_in_and_says_so(publish: Publish, box: Box) -> None:
    publish()
    box(BEFORE).deploy("V001")
    deployments = box(
        AFTER, build=partial(run_build, command=crashing("import os; os.kill(os.getpid(), 6)"))
    )
    deployments.restore()
    until(lambda: "SIGABRT" in deployments.current().notice, "the rebuild")  # type: ignore[union-attr]
    live = deployments.live()
    assert live is not None
    assert live[1].run(toy.reference_windows(2)).shape == (2, 3)


def test_a_deployment_made_during_a_rebuild_stays(publish: Publish, box: Box) -> None:
    publish()
    publish()
    box(BEFORE).deploy("V001")
    gate = threading.Event()
    deployments = box(AFTER, build=partial(slowly, gate=gate))
    deployments.restore()
    thread = threading.Thread(target=deployments.deploy, args=["V002"])
    thread.start()
    gate.set()
    thread.join(60)
    until(lambda: deployments.building.work is None, "the rebuild")
    deployments.close()  # waits for the rebuild
    current = deployments.current()
    assert current is not None
    assert (current.version, current.notice) == ("V002", "")


def test_a_rebuild_that_fails_says_nothing_of_what_was_deployed_meanwhile(
    publish: Publish, box: Box, bus: EventBus
) -> None:
    publish()
    publish()
    box(AFTER).deploy("V002", "int8")  # its engine is at hand
    box(BEFORE).deploy("V001")
    gate = threading.Event()
    failing = partial(slowly, gate=gate, command=crashing("import os; os.kill(os.getpid(), 6)"))
    deployments = box(AFTER, build=failing)
    assert "is built anew" in deployments.restore().notice  # type: ignore[union-attr]
    deployments.deploy("V002", "int8")
    gate.set()
    until(lambda: any(event.data.get("state") == "failed" for event in bus.since(0)), "the rebuild")
    deployments.close()  # waits for the rebuild
    current = deployments.current()
    assert current is not None
    assert (current.version, current.notice) == ("V002", "")


def test_an_engine_whose_loading_killed_the_daemon_is_not_loaded_again(
    publish: Publish, box: Box, folder: DataFolder
) -> None:
    publish()
    box().deploy("V001")
    (engine,) = folder.engines.glob("*.engine")
    (folder.engines / LOADING_FILE).write_text(engine.stem)
    deployments = box()
    assert not engine.exists()
    shown = deployments.restore()
    assert shown is not None
    assert "not there any more" in shown.notice
    until(engine.exists, "the rebuild")


def test_a_row_of_an_earlier_release(
    publish: Publish, box: Box, folder: DataFolder, db: Database
) -> None:
    publish()
    box().deploy("V001")
    for stored in folder.engines.glob("*.engine"):
        stored.unlink()
    with db.write() as tx:
        tx.conn.execute("UPDATE deployments SET made_for = '{}'")
    deployments = box()
    shown = deployments.restore()
    assert shown is not None
    assert "earlier release" in shown.notice
    until(lambda: bool(deployments.current().made_for), "the rebuild")  # type: ignore[union-attr]
