"""Engines are built in a child: one that crashes, hangs or is stopped takes nothing along."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from functools import partial
from pathlib import Path

import pytest

from appliance.errors import Conflict, EngineError, Stopped, Unavailable
from appliance.events import Event, EventBus
from appliance.models.build_process import run_build
from appliance.models.target import Target
from tests.models.builders import Box, crashing
from tests.models.conftest import Publish
from tests.waiting import until


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
    until(lambda: deployments.building.work is not None, "the build")
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
        until(lambda: deployments.building.work is not None, "the build")
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
    until(lambda: deployments.building.work is not None, "the build")
    stop = threading.Event()
    stop.set()
    with pytest.raises(Stopped):
        deployments.building.build("V002", "fp32", *deployments._key("V002", "fp32"), stop)
    assert deployments.building.work is not None
    assert deployments.building.work.version == "V001"
    deployments.building.cancel()
    first.join(30)
