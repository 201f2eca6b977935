"""What a version would have reported in a recording: the windows and decisions of live listening,
without a microphone and without waiting."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from appliance.audio.source import Chunk, Samples
from appliance.live.decision import Began, Decision, Ended, Rejected, Rules
from appliance.live.ear import listening_hop
from appliance.live.onset import onset_before_end
from appliance.live.windows import Window, WindowStream
from appliance.models.engine import Engine

BATCH = 64


@dataclass(frozen=True)
class Heard:
    """One event: `start_s` and `end_s` from the beginning of the sound, `score` its peak."""

    label: str
    score: float
    start_s: float
    end_s: float


class Hearer:
    """Hears one unbroken stretch after another: `push` its pieces, then `finish`."""

    def __init__(self, engine: Engine, rules: Rules, threshold: Callable[[str], float]) -> None:
        self.engine = engine
        self._rules = rules
        self._threshold = threshold
        self._hop = listening_hop(engine)
        self._begin()

    def _begin(self) -> None:
        engine = self.engine
        self._windows = WindowStream(engine.sample_rate, engine.window_samples, self._hop)
        self._decision = Decision(
            engine.classes,
            self._rules,
            self._threshold,
            window_s=engine.window_samples / engine.sample_rate,
            hop_s=self._hop / engine.sample_rate,
        )
        self._frame = 0
        self._started: dict[str, float] = {}
        self._heard: list[Heard] = []

    def push(self, samples: Samples, rate: int) -> None:
        """The next piece, float32 [n] at `rate` Hz, the same for all pieces of a stretch."""
        chunk = Chunk("history", 1, rate, samples, self._frame, 0)
        self._frame += len(samples)
        windows = self._windows.push([chunk])
        for start in range(0, len(windows), BATCH):
            part = windows[start : start + BATCH]
            scores = self.engine.run(np.stack([window.samples for window in part]))
            for window, row in zip(part, scores, strict=True):
                self._obey(self._decision.push(window.end_s, row), window)

    def finish(self) -> list[Heard]:
        """The events of the stretch, in the order of their ends; the next begins anew."""
        self._obey(self._decision.finish(), None)
        heard = self._heard
        self._begin()
        return heard

    def _obey(self, verdicts: list[Began | Ended | Rejected], window: Window | None) -> None:
        for verdict in verdicts:
            if isinstance(verdict, Began) and window is not None:
                before_s = onset_before_end(
                    window.samples,
                    self.engine.sample_rate,
                    window.end_s - verdict.rise_s,
                    self._hop / self.engine.sample_rate,
                )
                self._started[verdict.label] = max(0.0, window.end_s - before_s)
            elif isinstance(verdict, Ended):
                start = self._started.pop(verdict.label, None)
                if start is not None:
                    end = max(start, verdict.end_s)
                    self._heard.append(Heard(verdict.label, verdict.peak, start, end))
