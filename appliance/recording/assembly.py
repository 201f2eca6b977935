"""From chunks to clips: parts of at most a minute that join without a missing sample."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from appliance.audio.source import Chunk, Samples

LONGEST_S = 60.0
# A shorter gap is filled with silence, so that every sample keeps its place in time and a sound
# that a person asked for stays one clip; a longer one ends the clip.
FILLED_GAP_S = 0.5


@dataclass(frozen=True)
class Part:
    """What becomes one clip.

    samples: mono float32 [n] at `rate`; frame, captured_ns: number and time of the first of them
    in the microphone's stream; start_s: where the part lies in its recording; lost_frames: how
    many of the samples are silence that stands for lost frames.
    """

    microphone: str
    samples: Samples
    rate: int
    stream: int
    frame: int
    captured_ns: int
    start_s: float
    lost_frames: int


class Assembly:
    """Gathers one recording of one microphone. Pure; not thread-safe."""

    def __init__(self, seconds: float | None = None, longest_s: float = LONGEST_S) -> None:
        """seconds: of sound in all, lost frames and gaps included; None until `finish`."""
        self.seconds = seconds
        self.longest_s = longest_s
        self.lost_frames = 0
        self.gap_s = 0.0  # between streams: the microphone was away
        self.done = False
        self._earlier_s = 0.0  # length of what came before the present stream
        self._frames = 0  # of the present stream, lost ones included
        self._chunk: Chunk | None = None  # the newest
        self._first: Chunk | None = None  # where the present part begins
        self._first_skip = 0
        self._first_s = 0.0
        self._pieces: list[Samples] = []
        self._held = 0
        self._held_lost = 0

    @property
    def elapsed_s(self) -> float:
        """Seconds of sound so far, lost frames and gaps included."""
        return self._earlier_s + (self._frames / self._chunk.rate if self._chunk else 0.0)

    def push(self, chunk: Chunk) -> list[Part]:
        """The next chunk; returns the parts that it completes. Ignored once `done`. What an
        earlier push has already given (a ring and a stream overlap) is skipped."""
        if self.done or len(chunk.samples) == 0:
            return []
        parts: list[Part] = []
        last = self._chunk
        if last is None:
            self._chunk = chunk
        elif chunk.stream != last.stream or chunk.rate != last.rate:
            parts += self._cut()
            self._earlier_s = self.elapsed_s + chunk.lost / chunk.rate
            self._frames = 0
            self.gap_s += chunk.lost / chunk.rate
            self._chunk = chunk
        elif chunk.end_frame <= last.end_frame:
            return []
        else:
            missing = chunk.frame - last.end_frame
            if missing < 0:
                chunk = _later(chunk, -missing)
            elif missing > 0:
                parts += self._gap(last, missing)
            self._chunk = chunk
        return parts + self._append(chunk)

    def interrupt(self) -> list[Part]:
        """What is held, since nothing may come for a long time; what comes is a part of its own."""
        return self._cut()

    def finish(self) -> list[Part]:
        """The rest. Nothing is taken after it."""
        self.done = True
        return self._cut()

    def _gap(self, last: Chunk, missing: int) -> list[Part]:
        self.lost_frames += missing
        if missing > FILLED_GAP_S * last.rate or not self._pieces:
            parts = self._cut()
            self._frames += missing
            return parts
        silence = np.zeros(missing, dtype=np.float32)
        at = last.end_frame
        filler = replace(last, samples=silence, frame=at, captured_ns=last.moment_ns(at), lost=0)
        self._held_lost += missing
        return self._append(filler)

    def _append(self, chunk: Chunk) -> list[Part]:
        parts: list[Part] = []
        at = 0
        if self.seconds is not None:
            left = round((self.seconds - self._earlier_s) * chunk.rate) - self._frames
            end = min(len(chunk.samples), max(0, left))
        else:
            left, end = None, len(chunk.samples)
        longest = round(self.longest_s * chunk.rate)
        while at < end:
            if not self._pieces:
                self._first, self._first_skip = chunk, at
                self._first_s = self.elapsed_s
            take = min(end - at, longest - self._held)
            self._pieces.append(chunk.samples[at : at + take])
            self._held += take
            self._frames += take
            at += take
            if self._held == longest:
                parts += self._cut()
        if left is not None and left <= len(chunk.samples):
            self.done = True
            parts += self._cut()
        return parts

    def _cut(self) -> list[Part]:
        if not self._pieces or self._first is None:
            return []
        first = self._first
        samples = np.concatenate(self._pieces) if len(self._pieces) > 1 else self._pieces[0]
        part = Part(
            microphone=first.microphone,
            samples=samples,
            rate=first.rate,
            stream=first.stream,
            frame=first.frame + self._first_skip,
            captured_ns=first.moment_ns(first.frame + self._first_skip),
            start_s=self._first_s,
            lost_frames=self._held_lost,
        )
        self._pieces, self._held, self._held_lost = [], 0, 0
        return [part]


def _later(chunk: Chunk, skip: int) -> Chunk:
    at = chunk.frame + skip
    return replace(
        chunk, samples=chunk.samples[skip:], frame=at, captured_ns=chunk.moment_ns(at), lost=0
    )
