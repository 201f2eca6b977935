"""Frames counted against the clock, so that no loss goes unseen.

Drivers do not always say that they dropped sound: PulseAudio after a stall delivers late and in
a rush without any error, and ALSA's overflow tells that something is missing but not how much.
A block can only arrive late, never early; so the earliest arrivals of the last seconds tell where
the stream stands against the clock. When even they stand later than before, frames are missing.
"""

from __future__ import annotations

from collections import deque

WINDOW_S = 2.0
# Less than this is scheduling and the granularity of drivers, not a loss.
TOLERANCE_S = 0.08
# A device's crystal and the system's clock disagree: USB allows 500 ppm, good ones keep 100.
DRIFT = 500e-6


class FrameClock:
    """Pure arithmetic; times are CLOCK_BOOTTIME in nanoseconds, at which a block was there."""

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._base_ns: float | None = None
        self._last_ns = 0
        self._offsets: deque[tuple[int, float]] = deque()

    def arrived(self, end_frame: int, moment_ns: int, *, overflow: bool = False) -> int:
        """A block is there whose end is frame `end_frame` (lost frames counted). Returns how many
        frames must have been lost before it, usually 0.

        overflow: the driver said that it dropped something, so the loss is here and now.
        """
        offset = moment_ns - end_frame * 1e9 / self._rate
        if self._base_ns is None or offset < self._base_ns:
            self._base_ns = offset
        self._offsets.append((moment_ns, offset))
        while self._offsets[0][0] < moment_ns - WINDOW_S * 1e9:
            self._offsets.popleft()
        earliest = offset if overflow else min(value for _, value in self._offsets)
        late_ns = earliest - self._base_ns
        full = moment_ns - self._offsets[0][0] >= 0.75 * WINDOW_S * 1e9
        if late_ns > TOLERANCE_S * 1e9 and (overflow or (full and self._settled(moment_ns))):
            self._offsets.clear()
            self._last_ns = moment_ns
            return round(late_ns * self._rate / 1e9)
        if full:
            step = DRIFT * (moment_ns - (self._last_ns or moment_ns))
            self._base_ns += min(max(0.0, late_ns), step)
        self._last_ns = moment_ns
        return 0

    def _settled(self, moment_ns: int) -> bool:
        """Whether blocks came steadily all through the window: after a stall the rest of the
        backlog may still be on its way."""
        gaps = [
            later[0] - earlier[0]
            for earlier, later in zip(self._offsets, list(self._offsets)[1:], strict=False)
        ]
        return bool(gaps) and max(gaps) < 0.5e9

    def captured_ns(self, frame: int) -> int:
        """When frame number `frame` was captured: the smooth clock, without scheduling jitter."""
        return round((self._base_ns or 0.0) + frame * 1e9 / self._rate)
