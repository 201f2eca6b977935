"""Builders that crash, engines that were altered, and upgrades: listening goes on through all."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from appliance.errors import Conflict, EngineError, Stopped, Unavailable
from appliance.events import Event, EventBus
from appliance.models.build_process import BuildResult, run_build
from appliance.models.certificate import certify, read_reference
from appliance.models.compiler import LOADING_FILE, Compiler
from appliance.models.deploy import Deployments
from appliance.models.engine import open_reference_engine
from appliance.models.target import Target, cpu_target
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.models import toy
from tests.models.conftest import Publish

Box = Callable[..., Deployments]
BEFORE = Target("onnxruntime", "1.20.0", l4t="36.4.0")
AFTER = Target("onnxruntime", "1.23.0", l4t="39.2.0")


@pytest.fixture
def box(db: Database, folder: DataFolder, versions: Versions, bus: EventBus) -> Iterator[Box]:
    """The deployments of one life of the daemon on a device."""
    lives: list[Deployments] = []

    def start(target: Target | None = None, **how: Any) -> Deployments:
        compiler = Compiler(folder.engines, find_target=lambda: target or cpu_target(), **how)
        lives.append(Deployments(db, folder, versions, bus, compiler))
        return lives[-1]

    yield start
    for life in lives:
        life.close()


def wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def child_of_this_process() -> int:
    """The build child's process id."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == os.getpid() and b"build_child" in (entry / "cmdline").read_bytes():
                    return int(entry.name)
            except OSError:
                continue
    raise AssertionError("there is no build child")


def slowly(job: dict[str, Any], *rest: Any, gate: threading.Event, **options: Any) -> BuildResult:
    """A real build that begins when `gate` opens."""
    assert gate.wait(60)
    return run_build(job, *rest, **options)


def crashing(how: str) -> tuple[str, ...]:
    return (sys.executable, "-c", how)


# --- building ------------------------------------------------------------------------------------


def test_a_build_tells_how_far_it_is(publish: Publish, box: Box, bus: EventBus) -> None:
    publish()
    deployments = box(microphones=lambda: 3)
    made = deployments.deploy("V001", "int8")
    figures = made.certificate
    assert figures["batch"] == 3
    for name in ("latency_median_ms", "batch_p99_ms", "memory_bytes", "engine_bytes", "build_s"):
        assert figures[name] > 0, name
    told = [event.data for event in bus.since(0) if event.topic == "engine"]
    assert [one["stage"] for one in told] == [
        "starting", "converting", "compiling", "certifying", "loading", "ended"
    ]  # fmt: skip
    assert [one["fraction"] for one in told] == sorted(one["fraction"] for one in told)
    assert {one["state"] for one in told[:-1]} == {"building"}
    assert (told[-1]["state"], told[-1]["version"]) == ("ready", "V001")
    assert deployments.building.work is None
    assert made.made_for["precision"] == "int8"


def test_what_was_built_once_is_not_built_again(publish: Publish, box: Box, bus: EventBus) -> None:
    publish()
    first = box().deploy("V001")
    before = len(bus.since(0))
    again = box().deploy("V001")
    assert again.certificate == first.certificate
    assert "engine" not in {event.topic for event in bus.since(0)[before:]}


def test_a_builder_that_is_killed_takes_nothing_along(
    publish: Publish, box: Box, bus: EventBus
) -> None:
    publish()
    deployments = box()
    deployments.deploy("V001")
    live = deployments.live()

    def kill(event: Event) -> None:
        if event.topic == "engine" and event.data["stage"] == "converting":
            os.kill(child_of_this_process(), signal.SIGKILL)

    unsubscribe = bus.subscribe(kill)
    with pytest.raises(EngineError, match="was killed, probably because memory ran out"):
        deployments.deploy("V001", "fp16")
    unsubscribe()
    assert deployments.live() is live
    assert bus.since(0)[-1].data["state"] == "failed"
    assert deployments.building.work is None
    assert deployments.deploy("V001", "fp16").state == "live"


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("import os; os.kill(os.getpid(), 11)", r"crashed \(SIGSEGV\)"),
        ("import sys; sys.exit('no such library')", "failed with status 1: no such library"),
        ("import time; time.sleep(60)", "took longer than 1 s"),
        ('print(\'{"stage": "x", "fraction": 0}\')', "failed with status 0"),
        ("print('nonsense')", "nonsense"),
    ],
)
def test_a_builder_that_fails_says_how(publish: Publish, box: Box, how: str, said: str) -> None:
    publish()
    deployments = box(build=partial(run_build, command=crashing(how)), limit_s=1.0)
    with pytest.raises(EngineError, match=said):
        deployments.deploy("V001")
    assert deployments.history() == []


def test_a_real_builder_without_its_gpu(publish: Publish, box: Box, trained: Path) -> None:
    """TensorRT for RTX compiles here, and then finds no GPU to certify on: a clear error."""
    pytest.importorskip("tensorrt_rtx")
    publish(trained)
    deployments = box(Target("tensorrt_rtx", "1.7", "a GPU", "8.9"))
    with pytest.raises(EngineError, match=r"tensorrt_rtx .*|cuda"):
        deployments.deploy("V001")
    assert deployments.live() is None


def test_the_end_of_the_daemon_ends_a_build(publish: Publish, box: Box, bus: EventBus) -> None:
    publish()
    deployments = box(build=partial(run_build, command=crashing("import time; time.sleep(60)")))
    ended: list[Exception] = []

    def deploy() -> None:
        try:
            deployments.deploy("V001")
        except Exception as error:
            ended.append(error)

    thread = threading.Thread(target=deploy)
    thread.start()
    wait_until(lambda: deployments.building.work is not None)
    deployments.close()
    thread.join(30)
    assert isinstance(ended[0], Unavailable)


def test_a_build_is_stopped_and_what_listened_goes_on(
    publish: Publish, box: Box, bus: EventBus
) -> None:
    publish()
    publish()
    box().deploy("V001")
    deployments = box(build=partial(run_build, command=crashing("import time; time.sleep(60)")))
    deployments.restore()
    live = deployments.live()
    ended: list[Exception] = []

    def deploy(stop: threading.Event | None) -> None:
        try:
            deployments.deploy("V002", "fp16", stop=stop)
        except Exception as error:
            ended.append(error)

    # By the build that runs, and by the deployment that it is for.
    for stop in (None, threading.Event()):
        thread = threading.Thread(target=deploy, args=[stop])
        thread.start()
        wait_until(lambda: deployments.building.work is not None)
        if stop is None:
            made = deployments.building.cancel()
            assert (made.version, made.state) == ("V002", "cancelled")
        else:
            stop.set()
        thread.join(30)
        assert isinstance(ended.pop(), Stopped)
        assert deployments.building.work is None
        assert bus.since(0)[-1].data["state"] == "cancelled"
        assert deployments.live() is live
    with pytest.raises(Conflict, match="no engine is being built"):
        deployments.building.cancel()
    # It can be deployed all the same, later.
    assert box().deploy("V002", "fp16").state == "live"


def test_a_build_that_waits_for_another_one_is_stopped_too(publish: Publish, box: Box) -> None:
    publish()
    publish()
    deployments = box(build=partial(run_build, command=crashing("import time; time.sleep(60)")))

    def deploy() -> None:
        with contextlib.suppress(Stopped):
            deployments.deploy("V001")

    first = threading.Thread(target=deploy)
    first.start()
    wait_until(lambda: deployments.building.work is not None)
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        deployments.building.build("V002", "fp32", *deployments._key("V002", "fp32"), stop)
    assert deployments.building.work is not None
    assert deployments.building.work.version == "V001"
    deployments.building.cancel()
    first.join(30)


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
    wait_until(lambda: upgraded.current().notice == "")  # type: ignore[union-attr]
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
    wait_until(lambda: deployments.current().notice == "")  # type: ignore[union-attr]
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
    wait_until(lambda: "SIGABRT" in deployments.current().notice)  # type: ignore[union-attr]
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
    wait_until(lambda: deployments.building.work is None)
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
    wait_until(lambda: any(event.data.get("state") == "failed" for event in bus.since(0)))
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
    wait_until(engine.exists)


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
    wait_until(lambda: bool(deployments.current().made_for))  # type: ignore[union-attr]
