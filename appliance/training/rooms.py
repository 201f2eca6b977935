"""A held-out sound as it would be heard in a room: over noise, at several ratios.

Clips are often recorded close by and in quiet; listening hears the same sounds over fans, rain and
traffic. What a network says of those decides how familiar a sound must be. NumPy only.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

# The sound over the noise, in dB.
RATIOS_DB = (20.0, 10.0)
# A sound is as loud as the loudest tenth of its window: pauses between barks do not count.
STEP_S = 0.05
LOUD_QUANTILE = 0.9
# Noise falls off with frequency to this power, at most: from white to that of a lorry far away.
STEEPEST = 1.2
LOWEST_HZ = 30.0


class Rooms:
    """Puts sounds into rooms; the same window always into the same ones."""

    def __init__(self, rate: int, recorded: Sequence[Samples] = ()) -> None:
        """recorded: background of this box at `rate`; every other room is one of these."""
        self._rate = rate
        self._recorded = [sound for sound in recorded if np.any(sound)]

    def over(self, window: Samples) -> Samples:
        """[n] -> [len(RATIOS_DB), n]: the window over another noise at each ratio."""
        draw = np.random.default_rng(zlib.crc32(window.tobytes()))
        loud = _loudness(window, self._rate)
        rows = np.empty((len(RATIOS_DB), len(window)), dtype=np.float32)
        for row, ratio in zip(rows, RATIOS_DB, strict=True):
            noise = self._noise(len(window), draw)
            level = float(np.sqrt(np.mean(np.square(noise, dtype=np.float64))))
            row[:] = window + noise * np.float32(loud * 10 ** (-ratio / 20) / max(level, 1e-12))
        return rows

    def _noise(self, count: int, draw: np.random.Generator) -> Samples:
        if self._recorded and draw.random() < 0.5:
            sound = self._recorded[draw.integers(len(self._recorded))]
            places = (draw.integers(len(sound)) + np.arange(count)) % len(sound)
            stretch: Samples = sound[places]
            if np.any(stretch):
                return stretch
        spectrum = np.fft.rfft(draw.standard_normal(count))
        frequency = np.fft.rfftfreq(count, 1 / self._rate)
        spectrum /= (frequency + LOWEST_HZ) ** draw.uniform(0, STEEPEST)
        return np.fft.irfft(spectrum, count).astype(np.float32)


def _loudness(window: Samples, rate: int) -> float:
    """Root mean square of its loud part."""
    step = max(1, min(len(window), round(STEP_S * rate)))
    whole = window[: len(window) // step * step].reshape(-1, step)
    power = np.square(whole, dtype=np.float64).mean(axis=1)
    return float(np.sqrt(np.quantile(power, LOUD_QUANTILE)))
