"""When does a sound begin and end? A pure state machine over chunks.

    quiet --level rises `rise_db` over the background--> loud
    loud  --falls to half of that, and stays there for the post-roll--> quiet  "fell"
    loud  --the longest length is reached--> quiet, until the level has fallen  "limit"
    loud  --frames were lost, or the microphone was opened anew--> quiet       "lost"

Levels are measured every 20 ms. The background is that before the sound; a noise that stays ends
the recording at its longest and becomes the background. How many recordings an hour are wanted is
the caller's business.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from appliance import units
from appliance.audio.level import AdaptiveLevel
from appliance.audio.source import Chunk
from appliance.settings import TriggerSettings

STEP_S = 0.02


@dataclass(frozen=True)
class TriggerEdge:
    """kind: "start" or "end". frame, captured_ns: where the recording begins (pre-roll included)
    or ends (post-roll included; exclusive), in the stream's own count. onset_frame: where the
    level rose. reason of an end: "fell", "limit" or "lost"."""

    kind: str
    stream: int
    frame: int
    captured_ns: int
    onset_frame: int
    level_dbfs: float
    background_dbfs: float
    reason: str = ""


class Trigger:
    """Feed it every chunk of one microphone, in order."""

    def __init__(self, settings: TriggerSettings) -> None:
        self.settings = settings
        self._level = AdaptiveLevel()
        self._chunk: Chunk | None = None
        self._first_frame = 0
        self._open: TriggerEdge | None = None
        self._loudest = units.SILENCE_DBFS
        self._last_loud = 0
        # After a recording that reached its limit the sound must fall before the next begins.
        self._armed = True

    @property
    def background_dbfs(self) -> float | None:
        """The present background, None in the first second."""
        return self._level.dbfs

    @property
    def is_open(self) -> bool:
        return self._open is not None

    def push(self, chunk: Chunk) -> list[TriggerEdge]:
        """The edges that this chunk brings, oldest first."""
        edges = []
        last = self._chunk
        broken = last is None or chunk.stream != last.stream or chunk.frame != last.end_frame
        if broken:
            if last is not None and self._open is not None:
                edges.append(self._close(last, last.end_frame, "lost"))
            self._first_frame = chunk.frame
        self._chunk = chunk
        for frame, length, level in _levels(chunk):
            edge = self._step(chunk, frame, length, level)
            if edge is not None:
                edges.append(edge)
        return edges

    def _step(self, chunk: Chunk, frame: int, length: int, level: float) -> TriggerEdge | None:
        background = self._level.dbfs
        self._level.push(level, length / chunk.rate)
        if background is None:
            return None
        end = frame + length
        if self._open is not None:
            return self._step_open(chunk, end, level)
        if not self._armed:
            self._armed = level < background + self.settings.rise_db / 2
        elif level >= background + self.settings.rise_db:
            start = max(self._first_frame, frame - round(self.settings.preroll_s * chunk.rate))
            self._open = TriggerEdge(
                "start", chunk.stream, start, chunk.moment_ns(start), frame, level, background
            )
            self._loudest, self._last_loud = level, end
            return self._open
        return None

    def _step_open(self, chunk: Chunk, end: int, level: float) -> TriggerEdge | None:
        assert self._open is not None
        self._loudest = max(self._loudest, level)
        # Half the rise on the way down, so that a sound's fading does not chop it.
        if level >= self._open.background_dbfs + self.settings.rise_db / 2:
            self._last_loud = end
        stop = self._last_loud + round(self.settings.postroll_s * chunk.rate)
        limit = self._open.frame + round(self.settings.max_s * chunk.rate)
        if end >= min(stop, limit):
            self._armed = stop <= limit
            reason = "fell" if stop <= limit else "limit"
            return self._close(chunk, min(stop, limit), reason)
        return None

    def _close(self, chunk: Chunk, frame: int, reason: str) -> TriggerEdge:
        assert self._open is not None
        opened, self._open = self._open, None
        return TriggerEdge(
            "end",
            opened.stream,
            frame,
            chunk.moment_ns(frame),
            opened.onset_frame,
            self._loudest,
            opened.background_dbfs,
            reason,
        )


def _levels(chunk: Chunk) -> Iterator[tuple[int, int, float]]:
    """First frame, length and level of each step of the chunk; a rest joins the last step."""
    step = max(1, round(STEP_S * chunk.rate))
    count = max(1, len(chunk.samples) // step)
    for index in range(count):
        start = index * step
        part = chunk.samples[start : start + step if index < count - 1 else None]
        if len(part):
            power = float(np.dot(part, part)) / len(part)
            yield chunk.frame + start, len(part), units.dbfs(power**0.5)
