"""The last seconds of a microphone, for pre-roll."""

from __future__ import annotations

import threading
from collections import deque
from typing import NamedTuple

import numpy as np

from appliance.audio.source import Chunk, Samples


class Stretch(NamedTuple):
    """Unbroken sound: mono float32 [n], its rate, CLOCK_BOOTTIME and number of its first frame,
    the stream that this number counts in (0 when there is none), and its speed."""

    samples: Samples
    rate: int
    captured_ns: int
    frame: int
    stream: int = 0
    speed: float = 1.0

    @property
    def end_frame(self) -> int:
        return self.frame + len(self.samples)

    def chunk(self, microphone: str) -> Chunk:
        """The same as one chunk of that microphone."""
        return Chunk(
            microphone,
            self.stream,
            self.rate,
            self.samples,
            self.frame,
            self.captured_ns,
            speed=self.speed,
        )


class Ring:
    """Holds the newest unbroken stretch, at most `seconds` of it. Thread-safe.

    It begins anew where frames were lost or the microphone was reopened: sound from both sides
    of a gap is never joined as if nothing were missing.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._lock = threading.Lock()
        self._chunks: deque[Chunk] = deque()
        self._frames = 0

    def append(self, chunk: Chunk) -> None:
        with self._lock:
            last = self._chunks[-1] if self._chunks else None
            if last is not None and (
                chunk.lost or chunk.stream != last.stream or chunk.frame != last.end_frame
            ):
                self._chunks.clear()
                self._frames = 0
            self._chunks.append(chunk)
            self._frames += len(chunk.samples)
            limit = self.seconds * chunk.rate
            while self._frames - len(self._chunks[0].samples) >= limit:
                self._frames -= len(self._chunks.popleft().samples)

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._chunks.clear()
            self._frames = 0

    def since(self, captured_ns: int) -> Stretch:
        """What was captured at `captured_ns` or later, as far back as the ring reaches.

        An empty ring gives no samples at rate 0.
        """
        with self._lock:
            chunks = list(self._chunks)
        for index, chunk in enumerate(chunks):
            skip = max(0, round((captured_ns - chunk.captured_ns) / chunk.ns_per_frame))
            if skip < len(chunk.samples):
                return _joined(chunks[index:], skip)
        return _joined(chunks[-1:], len(chunks[-1].samples) if chunks else 0)

    def last(self, seconds: float) -> Stretch:
        """The newest `seconds` of sound (not of clock), or as many as there are."""
        with self._lock:
            chunks = list(self._chunks)
        if not chunks:
            return _joined([], 0)
        return self._from_frame(chunks, chunks[-1].end_frame - round(seconds * chunks[-1].rate))

    def from_frame(self, frame: int) -> Stretch:
        """What was captured from frame number `frame` of the present stream on."""
        with self._lock:
            chunks = list(self._chunks)
        return self._from_frame(chunks, frame)

    def _from_frame(self, chunks: list[Chunk], frame: int) -> Stretch:
        for index, chunk in enumerate(chunks):
            if frame < chunk.end_frame:
                skip = max(0, frame - chunk.frame)
                return _joined(chunks[index:], skip)
        end = len(chunks[-1].samples) if chunks else 0
        return _joined(chunks[-1:], end)


def _joined(chunks: list[Chunk], skip: int) -> Stretch:
    if not chunks:
        return Stretch(np.zeros(0, np.float32), 0, 0, 0)
    first = chunks[0]
    samples = np.concatenate([first.samples[skip:], *(chunk.samples for chunk in chunks[1:])])
    frame = first.frame + skip
    moment = first.moment_ns(frame)
    return Stretch(samples, first.rate, moment, frame, first.stream, first.speed)
