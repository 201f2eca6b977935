"""How a sound's power lies over time and pitch, on the mel scale: for pictures of sounds."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_WINDOW_S = 0.032
_FRAMES_AT_ONCE = 512


def frame_size(rate: int) -> int:
    """Samples of one transform."""
    return 1 << max(6, round(math.log2(rate * _WINDOW_S)))


def mel_power(
    samples: NDArray[np.float32], rate: int, columns: int, rows: int
) -> NDArray[np.float32]:
    """Power [rows, columns], row 0 the lowest pitch. Each column is the mean of the frames that
    fall into its time, so that a short click still shows in a long clip."""
    size = frame_size(rate)
    # Enough frames for the columns, and at least half overlapping, up to 8 a column.
    hop = max(1, min(size // 2, len(samples) // columns or 1))
    hop = max(hop, len(samples) // (8 * columns))
    padded = np.pad(samples, (size // 2, size))
    count = max(1, -(-len(samples) // hop))
    window = np.hanning(size).astype(np.float32)
    bank = _mel_bank(rate, size, rows)
    result = np.zeros((rows, columns), np.float32)
    hits = np.zeros(columns, np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, size)[::hop][:count]
    for start in range(0, count, _FRAMES_AT_ONCE):
        part = frames[start : start + _FRAMES_AT_ONCE]
        power = np.abs(np.fft.rfft(part * window, axis=1)).astype(np.float32) ** 2
        column = np.arange(start, start + len(part)) * columns // count
        np.add.at(result.T, column, power @ bank)
        np.add.at(hits, column, 1.0)
    # Fewer frames than columns: the gaps take what is before them.
    filled = np.maximum.accumulate(np.where(hits > 0, np.arange(columns), 0))
    return np.asarray(result[:, filled] / np.maximum(hits[filled], 1.0), np.float32)


@lru_cache(maxsize=8)
def _mel_bank(rate: int, size: int, rows: int) -> NDArray[np.float32]:
    """Triangles on O'Shaughnessy's mel scale [size // 2 + 1, rows]. Low ones, narrower than a
    bin of the transform, interpolate between the two bins around them."""
    top = 2595.0 * np.log10(1.0 + rate / 2 / 700.0)
    edges = 700.0 * (10.0 ** (np.linspace(0.0, top, rows + 2) / 2595.0) - 1.0)
    bins = np.arange(size // 2 + 1) * rate / size
    width = rate / size
    low = np.minimum(edges[:-2], edges[1:-1] - width)
    high = np.maximum(edges[2:], edges[1:-1] + width)
    rising = (bins[:, None] - low) / (edges[1:-1] - low)
    falling = (high - bins[:, None]) / (high - edges[1:-1])
    bank = np.maximum(0.0, np.minimum(rising, falling)).astype(np.float32)
    return np.asarray(bank / np.maximum(bank.sum(axis=0), 1e-6), np.float32)
