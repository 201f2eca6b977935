"""From a microphone's chunks to the network's windows: resampled, overlapping, in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from appliance.audio.resample import StreamResampler
from appliance.audio.source import Chunk, Samples

# A streaming resampler gives its output in blocks: up to this much of the newest sound is still
# inside it when a chunk has been pushed.
RESAMPLER_HOLDS_S = 0.045


@dataclass(frozen=True)
class Window:
    """What the network sees at once.

    samples: float32 [window] at the model's rate. stream, frame: the microphone's stream and its
    frame counter just after the last sample, at `in_rate` frames a second. end_ns: when that
    sample was captured. end_s: the same place in seconds of sound, lost frames included, which
    only grows and does not run faster when a replay does. ns_per_s: how long a second of sound
    takes on the clock, 1e9 but for such a replay. fresh: the first window after lost frames or a
    reopened stream.
    """

    samples: Samples
    stream: int
    frame: int
    in_rate: int
    end_ns: int
    end_s: float
    ns_per_s: float
    fresh: bool

    def frame_at(self, at_s: float) -> int:
        """The microphone's frame at the place `at_s` in seconds of sound."""
        return max(0, self.frame - round((self.end_s - at_s) * self.in_rate))

    def moment_ns(self, at_s: float) -> int:
        """When the place `at_s` in seconds of sound, not long before the end, was captured."""
        return self.end_ns - round((self.end_s - at_s) * self.ns_per_s)


@dataclass(frozen=True)
class Place:
    """Where the windows of an earlier model ended: the microphone's stream and frame there, and
    the seconds of sound. heard: False where its first window was not complete yet; then it is
    where the stream began."""

    stream: int
    frame: int
    end_s: float
    heard: bool = True


class WindowStream:
    """One microphone's windows at the model's rate.

    A window never spans lost frames: they start the stream again (`resets`), because a network
    would hear the splice as a click. Not thread-safe: it belongs to the detector's thread.
    """

    def __init__(self, rate: int, window: int, hop: int, resume: Place | None = None) -> None:
        """rate: of the model, in Hz; window, hop: in samples of that rate.

        After a hot swap the first window ends one hop after `resume`, as long as enough sound
        from before is pushed.
        """
        self.rate = rate
        self.window = window
        self.hop = hop
        self.resets = 0
        self.lost_frames = 0
        self.skipped = 0  # windows that a hot swap cost, as too little sound from before was there
        self._resume = resume
        self._stream: int | None = None
        self._in_rate = 0
        self._expected_frame = 0
        self._base_s = 0.0  # seconds of sound before output sample 0
        self._start_over()

    def _start_over(self) -> None:
        self._resampler: StreamResampler | None = None
        self._base_frame = 0  # the microphone's frame of output sample 0
        self._buffer = np.zeros(0, dtype=np.float32)
        self._buffer_at = 0  # output index of the buffer's first sample
        self._next_end: int | None = None  # output index just after the next window
        self._fresh = True

    def push(self, chunks: Sequence[Chunk]) -> list[Window]:
        """Take chunks in order; returns the windows that they complete, oldest first."""
        windows: list[Window] = []
        run: list[Chunk] = []
        for chunk in chunks:
            if self._continues(chunk):
                run.append(chunk)
            else:
                windows += self._take(run)
                run = [chunk]
                self._begin_at(chunk)
            self._expected_frame = chunk.end_frame
        return windows + self._take(run)

    def _continues(self, chunk: Chunk) -> bool:
        return (
            chunk.stream == self._stream
            and chunk.rate == self._in_rate
            and chunk.frame == self._expected_frame
        )

    def _begin_at(self, chunk: Chunk) -> None:
        if self._stream is not None:
            self.resets += 1
            missing = chunk.lost
            if chunk.stream == self._stream:
                missing = max(0, chunk.frame - self._expected_frame)
                # Between streams it was away, which is no loss.
                self.lost_frames += missing
            self._base_s += (self._expected_frame - self._base_frame) / self._in_rate
            self._base_s += missing / chunk.rate
            self._resume = None
        elif self._resume is not None:
            if self._resume.stream == chunk.stream:
                self._base_s = self._resume.end_s - (self._resume.frame - chunk.frame) / chunk.rate
            else:
                self._base_s, self._resume = self._resume.end_s, None
        self._start_over()
        self._stream = chunk.stream
        self._in_rate = chunk.rate
        self._base_frame = chunk.frame
        self._resampler = StreamResampler(chunk.rate, self.rate)

    def _take(self, run: Sequence[Chunk]) -> list[Window]:
        if not run or self._resampler is None:
            return []
        samples = run[0].samples if len(run) == 1 else np.concatenate([c.samples for c in run])
        made = self._resampler.push(samples)
        self._buffer = np.concatenate((self._buffer, made))
        produced = self._buffer_at + len(self._buffer)
        if self._next_end is None:
            self._next_end = self._first_end(produced)
        windows = []
        while self._next_end is not None and self._next_end <= produced:
            windows.append(self._cut(self._next_end, run[-1]))
            self._next_end += self.hop
        # Before the first window its end may still move, so everything is kept.
        if self._next_end is not None:
            keep_from = max(self._next_end - self.window, self._buffer_at)
            self._buffer = self._buffer[keep_from - self._buffer_at :]
            self._buffer_at = keep_from
        return windows

    def _first_end(self, produced: int) -> int | None:
        if self._resume is not None and self._resume.heard:
            ended = round((self._resume.frame - self._base_frame) * self.rate / self._in_rate)
            first = max(self.window, ended + self.hop)
            self.skipped = (first - ended - self.hop) // self.hop
            return first
        # Windows that end just before a chunk does wait for no further chunk: when the hop is a
        # whole number of chunks, every later window is complete as soon as its sound is there.
        pushed = round((self._expected_frame - self._base_frame) * self.rate / self._in_rate)
        holds = 0 if self.rate == self._in_rate else round(RESAMPLER_HOLDS_S * self.rate)
        end = min(produced, pushed - holds)
        if end < self.window:
            return None
        return end if end - self.window < self.hop else self.window

    def _cut(self, end: int, near: Chunk) -> Window:
        start = end - self.window - self._buffer_at
        samples = self._buffer[start : start + self.window].copy()
        frame = self._base_frame + round(end * self._in_rate / self.rate)
        end_ns = near.moment_ns(frame)
        end_s = self._base_s + end / self.rate
        fresh, self._fresh = self._fresh, False
        return Window(
            samples, near.stream, frame, near.rate, end_ns, end_s, 1e9 / near.speed, fresh
        )

    def frames_needed(self) -> int:
        """How many more frames of the microphone complete the next window (0: unknown yet)."""
        if not self._in_rate:
            return 0
        produced = self._buffer_at + len(self._buffer)
        missing = (self.window if self._next_end is None else self._next_end) - produced
        return max(0, -(-missing * self._in_rate // self.rate))

    @property
    def place(self) -> Place | None:
        """Where the newest window ended; before the first one, where an earlier model's did."""
        if self._stream is None or (self._resume is not None and self._fresh):
            return self._resume
        if self._next_end is None or self._fresh:
            return Place(self._stream, self._base_frame, self._base_s, heard=False)
        end = self._next_end - self.hop
        frame = self._base_frame + round(end * self._in_rate / self.rate)
        return Place(self._stream, frame, self._base_s + end / self.rate)
