"""A microphone's quiet spectrum in a few bands: the same measure in training and in listening."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.audio.source import Samples

BANDS = 16
LOWEST_HZ = 60.0
FRAME = 1024
QUIET_PERCENTILE = 20.0
FLOOR_DB = -120.0


def band_edges(rate: int) -> NDArray[np.float64]:
    """[BANDS + 1] in Hz, evenly spread in octaves up to half the rate."""
    edges: NDArray[np.float64] = np.geomspace(LOWEST_HZ, rate / 2, BANDS + 1)
    return edges


def band_levels(samples: Samples, rate: int) -> NDArray[np.float32]:
    """float32 [n] -> [n // FRAME, BANDS] in dB; a rest shorter than a frame is left out."""
    count = len(samples) // FRAME
    if count == 0:
        return np.zeros((0, BANDS), dtype=np.float32)
    frames = samples[: count * FRAME].reshape(count, FRAME) * _WINDOW
    power = np.square(np.abs(np.fft.rfft(frames, axis=1)))
    starts = np.searchsorted(np.fft.rfftfreq(FRAME, 1 / rate), band_edges(rate)[:-1])
    # Narrow bands at the low end hold one bin at least.
    starts = np.maximum(starts, 1 + np.arange(BANDS))
    widths = np.diff(np.append(starts, power.shape[1]))
    means = np.add.reduceat(power, starts, axis=1) / widths
    levels: NDArray[np.float32] = (10 * np.log10(means / _SCALE + 1e-12)).astype(np.float32)
    return levels


def quiet_bands(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """What is there when nothing sounds: [frames, BANDS] -> [BANDS]."""
    quiet: NDArray[np.float32] = np.percentile(levels, QUIET_PERCENTILE, axis=0).astype(np.float32)
    return quiet


def usual_bands(clips: Sequence[NDArray[np.float32]]) -> tuple[list[float], float]:
    """Of the quiet bands of several clips: their medians [BANDS], and by how much the level of a
    clip usually differs from them, both in dB."""
    rows = np.stack(clips)
    middle = np.median(rows, axis=0)
    shifts = np.median(rows - middle, axis=1)
    return [round(float(band), 2) for band in middle], round(float(np.median(np.abs(shifts))), 2)


_WINDOW = np.hanning(FRAME).astype(np.float32)
_SCALE = float(np.square(_WINDOW.sum()) / 4)
