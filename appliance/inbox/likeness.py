"""What a sound sounds like, as a short vector: to tell whether two clips are much the same.

The mean and the spread over time of the level in bands of the spectrum, without the overall
loudness. It needs no network, so it also serves before anything was trained.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from appliance.audio.source import Samples

BANDS = 24
DIMENSIONS = 2 * BANDS
FRAME_S = 0.064
LOWEST_HZ, HIGHEST_HZ = 60.0, 7_500.0
# The level of 16-bit noise: what lies below is no property of the sound.
FLOOR = 1e-9


def likeness(samples: Samples, rate: int) -> NDArray[np.float16]:
    """float32 [n] at `rate` Hz -> float16 [DIMENSIONS], in dB: means by band, then spreads."""
    size = max(64, round(FRAME_S * rate))
    if len(samples) < size:
        samples = np.pad(samples, (0, size - len(samples)))
    count = len(samples) // size
    frames = samples[: count * size].reshape(count, size) * np.hanning(size).astype(np.float32)
    power = np.square(np.abs(np.fft.rfft(frames, axis=1))) / size
    bands = 10.0 * np.log10(power @ _filters(size, rate) + FLOOR)
    means = bands.mean(axis=0)
    described = np.concatenate([means - means.mean(), bands.std(axis=0)])
    vector: NDArray[np.float16] = np.nan_to_num(described).astype(np.float16)
    return vector


@lru_cache(maxsize=8)
def _filters(size: int, rate: int) -> NDArray[np.float64]:
    """[size / 2 + 1, BANDS]: each column averages the bins of one band."""
    hz = np.fft.rfftfreq(size, 1 / rate)
    edges = np.geomspace(LOWEST_HZ, min(HIGHEST_HZ, rate / 2), BANDS + 1)
    made = np.zeros((len(hz), BANDS))
    for band in range(BANDS):
        inside = (hz >= edges[band]) & (hz < edges[band + 1])
        if not inside.any():
            inside = np.zeros(len(hz), dtype=bool)
            inside[int(np.abs(hz - (edges[band] + edges[band + 1]) / 2).argmin())] = True
        made[inside, band] = 1.0 / inside.sum()
    return made
