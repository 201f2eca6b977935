"""How loud a sound is, and how loud the background is."""

from __future__ import annotations

from collections import deque

import numpy as np

from appliance import units
from appliance.audio.source import Samples

BACKGROUND_FLOOR_DBFS = -80.0


def peak_amplitude(samples: Samples) -> float:
    """Largest absolute sample; NaN when one is NaN; 0 for no samples."""
    if samples.size == 0:
        return 0.0
    high, low = float(samples.max()), float(samples.min())
    return max(high, -low) if high == high else high


def peak_dbfs(samples: Samples) -> float:
    """Largest absolute sample in dBFS; -120 for digital silence or no samples."""
    return units.dbfs(peak_amplitude(samples))


def rms_dbfs(samples: Samples) -> float:
    """Root mean square in dBFS (a full-scale square wave is 0); -120 for digital silence."""
    if samples.size == 0:
        return units.SILENCE_DBFS
    flat = samples.reshape(-1)
    return units.dbfs(float(np.sqrt(np.dot(flat, flat) / flat.size)))


class AdaptiveLevel:
    """The background level: a low percentile of the levels of the last seconds.

    A sound that lasts less than (100 - percentile) % of the window does not move it; a noise that
    stays (a fan that was switched on) becomes the background within that time.
    """

    def __init__(
        self,
        window_s: float = 15.0,
        percentile: float = 30.0,
        floor_dbfs: float = BACKGROUND_FLOOR_DBFS,
        warm_up_s: float = 1.0,
    ) -> None:
        self._window_s = window_s
        self._percentile = percentile
        self._floor = floor_dbfs
        self._warm_up_s = warm_up_s
        self._levels: deque[tuple[float, float]] = deque()
        self._held_s = 0.0
        self.dbfs: float | None = None

    def push(self, level_dbfs: float, seconds: float) -> float | None:
        """Take in a stretch of `seconds` at `level_dbfs`; the background, None while unknown."""
        self._levels.append((level_dbfs, seconds))
        self._held_s += seconds
        while self._held_s > self._window_s and len(self._levels) > 1:
            self._held_s -= self._levels.popleft()[1]
        if self._held_s >= self._warm_up_s - 1e-9:
            levels = [level for level, _ in self._levels]
            self.dbfs = max(self._floor, float(np.percentile(levels, self._percentile)))
        return self.dbfs
