"""The thread that listens: the complete windows of all microphones in one inference.

It sleeps until a microphone has sound enough for its next window, so an idle box costs nothing
and a listening one a few wakes a second. The engine is asked for before each batch: a hot swap
happens between two batches.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from appliance import clock
from appliance.errors import EngineError
from appliance.live.decision import Rules
from appliance.live.ear import Ear, Model
from appliance.live.windows import Window
from appliance.models.deploy import Deployment
from appliance.models.engine import Engine

log = logging.getLogger(__name__)

IDLE_S = 1.0
# Microphones whose blocks come a little apart share an inference.
TOGETHER_S = 0.015
BATCH = 64
# Windows older than this are not judged any more: the newest matter more.
LATEST_S = 2.0


class Deployed(Protocol):
    """What listens now, asked for before each batch."""

    def live(self) -> tuple[Deployment, Engine] | None: ...


class Detector:
    def __init__(
        self,
        deployments: Deployed,
        rules: Rules,
        threshold: Callable[[str], float],
        judged: Callable[[], None],
        card: Callable[[str], Mapping[str, Any]] = lambda _version: {},
        *,
        name: str = "detector",
        nice: int = 0,
    ) -> None:
        """judged: called after each batch. card: what a version says about itself. name, nice: of
        its thread; what listens silently beside another is humbler."""
        self._card = card
        self._name = name
        self._nice = nice
        self._deployments = deployments
        self._rules = rules
        self._threshold = threshold
        self._judged = judged
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._ears: dict[str, Ear] = {}
        self._joining: list[Ear] = []
        self._leaving: list[Ear] = []
        self._live: tuple[Deployment, Engine] | None = None
        self._model: Model | None = None
        self._thread: threading.Thread | None = None
        self._failing = False
        self.turned_ns = clock.monotonic_ns()  # when the loop last went round

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name=self._name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the thread, and with it what sounds now."""
        self._stop.set()
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        with self._lock:
            ears = [*self._ears.values(), *self._leaving]
            self._ears.clear()
            self._leaving.clear()
        for ear in ears:
            ear.close()

    def wake(self) -> None:
        """There is something to do: sound, another deployment, another microphone."""
        self._wake.set()

    def set(self, identifier: str, ear: Ear | None) -> None:
        """Listen to that microphone with `ear`, or no more."""
        with self._lock:
            before = self._ears.pop(identifier, None)
            if before is not None:
                self._leaving.append(before)
            if ear is not None:
                self._ears[identifier] = ear
                self._joining.append(ear)
        self._wake.set()

    def ears(self) -> dict[str, Ear]:
        with self._lock:
            return dict(self._ears)

    def _run(self) -> None:
        if self._nice:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), self._nice)
        while not self._stop.is_set():
            self._wake.wait(IDLE_S)
            self._wake.clear()
            self.turned_ns = clock.monotonic_ns()
            try:
                self._turn()
            except Exception:
                # A fault in one turn must not end listening.
                log.exception("a turn of listening failed")
                self._stop.wait(IDLE_S)

    def _turn(self) -> None:
        with self._lock:
            ears = list(self._ears.values())
            joining, self._joining = self._joining, []
            leaving, self._leaving = self._leaving, []
        for ear in leaving:
            ear.close()
        live = self._deployments.live()
        if live is not self._live:
            self._live = live
            self._model = Model.of(*live, self._card(live[0].version)) if live else None
            joining = ears
        for ear in joining:
            ear.listen_with(self._model, self._rules, self._threshold)
        if self._model is None:
            return
        if len(ears) > 1:
            self._stop.wait(TOGETHER_S)
        self._judge(self._model, ears)
        for ear in ears:
            ear.check()

    def _judge(self, model: Model, ears: list[Ear]) -> None:
        due: list[tuple[Ear, Window]] = []
        oldest = clock.monotonic_ns() - round(LATEST_S * 1e9)
        for ear in ears:
            windows = ear.take()
            late = [window for window in windows[:-1] if window.end_ns < oldest]
            if late:
                ear.miss(late)
            due += [(ear, window) for window in windows[len(late) :]]
        for start in range(0, len(due), BATCH):
            part = due[start : start + BATCH]
            try:
                scores = model.engine.run(np.stack([window.samples for _, window in part]))
            except EngineError as error:
                self._failed(part, error)
                continue
            self._failing = False
            for (ear, window), row in zip(part, scores, strict=True):
                ear.judge(window, row)
        if due:
            self._judged()

    def _failed(self, part: list[tuple[Ear, Window]], error: EngineError) -> None:
        for ear, window in part:
            ear.miss([window])
        if not self._failing and not self._stop.is_set():
            log.error("the engine failed, and listening with it: %s", error)
        self._failing = True
