"""A consumer that keeps what it heard, and sounds whose samples are a running counter."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from appliance.audio.capture import Capture, CaptureStatus
from appliance.audio.source import Chunk

RATE = 16_000


class Heard:
    """Subscribe `self` to a capture; `states` belongs to its `on_state`."""

    def __init__(self) -> None:
        self.chunks: list[Chunk] = []
        self.states: list[str] = []
        self.lock = threading.Lock()

    def __call__(self, chunk: Chunk) -> None:
        with self.lock:
            self.chunks.append(chunk)

    def state(self, status: CaptureStatus) -> None:
        self.states.append(status.state)

    @property
    def frames(self) -> int:
        with self.lock:
            return sum(len(chunk.samples) for chunk in self.chunks)


@contextmanager
def listening(source: str, **options: Any) -> Iterator[tuple[Capture, Heard]]:
    """A started capture and what it heard; stopped at the end."""
    heard = Heard()
    capture = Capture("mic", source, on_state=heard.state, **options)
    capture.subscribe(heard)
    capture.start()
    try:
        yield capture, heard
    finally:
        capture.stop()


def counter(start: int, count: int) -> np.ndarray:
    """16-bit numbers that count up and begin again at the lowest."""
    return ((np.arange(start, start + count) % 65_536) - 32_768).astype("<i2")


def counter_file(path: Path, seconds: float, rate: int = RATE) -> int:
    """Write a counter of `seconds` as WAV; its number of frames."""
    count = round(seconds * rate)
    soundfile.write(path, counter(0, count), rate, subtype="PCM_16")
    return count


def unaccounted(chunks: list[Chunk]) -> int:
    """Frames that are neither there nor reported: samples that are not what their number says,
    and gaps in the numbering beyond `lost`."""
    wrong = 0
    last: Chunk | None = None
    for chunk in chunks:
        samples = np.rint(chunk.samples * 32_768).astype(np.int64)
        expected = counter(chunk.frame, len(samples))
        wrong += int((samples != expected).sum())
        if last is not None and last.stream == chunk.stream:
            wrong += abs(chunk.frame - last.end_frame - chunk.lost)
        last = chunk
    return wrong
