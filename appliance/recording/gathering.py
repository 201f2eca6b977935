"""Choosing samples of the background: spread over a time, and never while something sounds."""

from __future__ import annotations

import random
from collections.abc import Sequence

from appliance.audio.liveness import Liveness
from appliance.audio.source import Chunk
from appliance.audio.trigger import Trigger
from appliance.recording.assembly import Assembly, Part
from appliance.settings import TriggerSettings

# Less than a trigger's rise: what only nearly starts a recording is no background either.
RISE_DB = 7.0
# After a loud moment, so long until the next attempt.
PAUSE_S = 2.0
# One value for so long is no sound of a room. Shorter than any sample, so that none is made of it.
FLAT_S = 0.4


def plan_starts(samples: int, over_s: float, seconds: float, rng: random.Random) -> list[float]:
    """When each sample begins: one at a random place in each of `samples` equal stretches.

    In seconds of sound from the first chunk; a time too short for them is made longer.
    """
    stretch = max(over_s / samples, seconds)
    return [number * stretch + rng.uniform(0, stretch - seconds) for number in range(samples)]


class Gathering:
    """Fed with every chunk of a microphone; gives the samples. Pure; time is that of the sound,
    and stands still while what comes is none: digital silence, or one value."""

    def __init__(self, starts: Sequence[float], seconds: float, longest_s: float = 60.0) -> None:
        self.starts = list(starts)
        self.seconds = seconds
        self.gathered = 0
        self.skipped = 0  # attempts in which something rose above the background, or no good ones
        self.heard = "running"  # or "silent" or "stuck": what comes is no sound
        self.elapsed_s = 0.0
        self._longest_s = longest_s
        self._liveness = Liveness(FLAT_S)
        self._trigger = _trigger()
        self._last: Chunk | None = None
        self._not_before_s = 0.0
        self._assembly: Assembly | None = None

    @property
    def done(self) -> bool:
        return self.gathered >= len(self.starts)

    @property
    def next_in_s(self) -> float | None:
        """Seconds until the next sample begins; 0 while one is recorded, None when all are."""
        if self.done:
            return None
        if self._assembly is not None:
            return 0.0
        return max(0.0, max(self.starts[self.gathered], self._not_before_s) - self.elapsed_s)

    def again(self) -> None:
        """The last sample was no good after all: gather another in its place."""
        self.gathered -= 1
        self.skipped += 1
        self._not_before_s = self.elapsed_s + PAUSE_S

    def push(self, chunk: Chunk) -> list[Part]:
        """The samples that this chunk completes (at most one)."""
        if self.done:
            return []
        self.heard = self._liveness.push(chunk.samples, len(chunk.samples) / chunk.rate)
        if self.heard != "running":
            # Zeros must not be learned as the background either.
            self._assembly, self._trigger = None, _trigger()
            return []
        broken = self._last is not None and (
            chunk.stream != self._last.stream or chunk.frame != self._last.end_frame
        )
        self._last = chunk
        edges = self._trigger.push(chunk)
        loud = bool(edges) or self._trigger.is_open or self._trigger.background_dbfs is None
        due = self.elapsed_s >= max(self.starts[self.gathered], self._not_before_s)
        self.elapsed_s += len(chunk.samples) / chunk.rate
        if self._assembly is not None and (loud or broken):
            self._assembly = None
            self.skipped += 1
            self._not_before_s = self.elapsed_s + PAUSE_S
            return []
        if self._assembly is None:
            if not due or loud:
                return []
            self._assembly = Assembly(self.seconds, self._longest_s)
        parts = self._assembly.push(chunk)
        if not self._assembly.done:
            return []
        self._assembly = None
        self.gathered += 1
        return parts


def _trigger() -> Trigger:
    return Trigger(TriggerSettings(rise_db=RISE_DB, preroll_s=0.0, postroll_s=1.0, max_s=30.0))
