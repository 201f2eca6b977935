"""The engine that is being built now: told while it lasts, and stopped when somebody says so."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from appliance.errors import Conflict, Stopped
from appliance.events import EventBus
from appliance.models.compiler import Compiler, Prepared
from appliance.models.target import EngineKey

BUILDING, READY, FAILED, CANCELLED = "building", "ready", "failed", "cancelled"
_LOOK_S = 0.2


@dataclass(frozen=True)
class Work:
    """An engine that is being built; `fraction` of it is done. Topic `engine` on the bus, with
    `state` building, ready, failed or cancelled and, when it is not ready, `detail`."""

    version: str
    precision: str
    stage: str
    fraction: float
    state: str = BUILDING
    detail: str = ""


class _Build:
    def __init__(self, work: Work, stop: threading.Event) -> None:
        self.work, self.stop = work, stop
        self.over = threading.Event()


class Building:
    """Thread-safe; one build at a time, the others wait for it."""

    def __init__(self, compiler: Compiler, bus: EventBus) -> None:
        self._compiler = compiler
        self._bus = bus
        self._turn = threading.Lock()
        self._current: _Build | None = None

    @property
    def work(self) -> Work | None:
        """What is built now."""
        build = self._current
        return None if build is None else build.work

    def build(
        self,
        name: str,
        precision: str,
        path: Path,
        key: EngineKey,
        stop: threading.Event | None = None,
    ) -> Prepared:
        """Build the engine of version `name`, which lies at `path`, and tell how far it is.

        Raises EngineError, Stopped when `stop` was set or `cancel` called meanwhile, and
        Unavailable when the daemon stops.
        """
        stop = stop or threading.Event()
        with self._its_turn(name, stop):
            build = _Build(Work(name, precision, "starting", 0.0), stop)
            self._current = build
            self._tell(build.work)
            try:
                prepared = self._compiler.build(path, key, self._progress, stop)
            except Stopped as error:
                self._end(build, CANCELLED, str(error))
                raise
            except BaseException as error:
                self._end(build, FAILED, str(error))
                raise
            self._end(build, READY)
            return prepared

    def cancel(self) -> Work:
        """End the build that runs, and wait until it has ended; how it did. Raises Conflict when
        none runs."""
        build = self._current
        if build is None:
            raise Conflict(
                "no version is being deployed: no engine is being built",
                "`earmark deploy` says what listens",
            )
        build.stop.set()
        build.over.wait()
        return build.work

    @contextmanager
    def _its_turn(self, name: str, stop: threading.Event) -> Iterator[None]:
        while not self._turn.acquire(timeout=_LOOK_S):
            if stop.is_set():
                raise Stopped(f"the engine of {name} was not built: that was stopped")
        try:
            yield
        finally:
            self._turn.release()

    def _progress(self, stage: str, fraction: float) -> None:
        if (build := self._current) is not None:
            build.work = replace(build.work, stage=stage, fraction=fraction)
            self._tell(build.work)

    def _end(self, build: _Build, state: str, detail: str = "") -> None:
        build.work = replace(build.work, stage="ended", fraction=1.0, state=state, detail=detail)
        self._current = None
        self._tell(build.work)
        build.over.set()

    def _tell(self, work: Work) -> None:
        self._bus.publish("engine", asdict(work))
