"""Pictures of sounds: a mel spectrogram as PNG."""

from __future__ import annotations

import io
import threading
from collections import OrderedDict
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.audio.flac import read_flac

RANGE_DB = 80.0
CACHE_BYTES = 4_000_000
_WINDOW_S = 0.032
_FRAMES_AT_ONCE = 512
# Black, violet, red, orange, pale yellow: even steps in lightness, so that it reads in grey too.
_COLOURS = (
    (0, 0, 4),
    (59, 15, 112),
    (140, 41, 129),
    (222, 73, 104),
    (254, 159, 109),
    (252, 253, 191),
)


class Pictures:
    """Spectrograms, the last few megabytes of them kept."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._size = 0

    def of(self, sha256: str, path: Path, width: int, height: int) -> bytes:
        """The PNG of the clip with that hash. Raises DecodeError when its file is damaged."""
        key = (sha256, width, height)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        picture = draw(*read_flac(path), width, height)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = picture
                self._size += len(picture)
            while self._size > CACHE_BYTES:
                self._size -= len(self._kept.popitem(last=False)[1])
        return picture


def draw(samples: NDArray[np.float32], rate: int, width: int, height: int) -> bytes:
    """PNG of `width` x `height` pixels: time to the right, pitch upwards on the mel scale up to
    half of `rate`, `RANGE_DB` below the loudest point is black. samples: mono float32 [n]."""
    from PIL import Image

    power = mel_power(samples, rate, width, height)
    level = 10.0 * np.log10(np.maximum(power, 1e-12))
    shade = np.clip((level - level.max()) / RANGE_DB + 1.0, 0.0, 1.0)
    # Digital silence has no loudest point to measure from.
    if power.max() <= 1e-12:
        shade[:] = 0.0
    pixels = _palette()[np.rint(shade * 255).astype(np.uint8)]
    out = io.BytesIO()
    Image.fromarray(pixels[::-1]).save(out, format="PNG", compress_level=3)
    return out.getvalue()


def mel_power(
    samples: NDArray[np.float32], rate: int, columns: int, rows: int
) -> NDArray[np.float32]:
    """Power [rows, columns], row 0 the lowest pitch. Each column is the mean of the frames that
    fall into its time, so that a short click still shows in a long clip."""
    size = 1 << max(6, round(np.log2(rate * _WINDOW_S)))
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


@lru_cache(maxsize=1)
def _palette() -> NDArray[np.uint8]:
    """256 colours [256, 3]."""
    stops = np.linspace(0, 255, len(_COLOURS))
    channels = [np.interp(np.arange(256), stops, values) for values in zip(*_COLOURS, strict=True)]
    return np.stack(channels, axis=1).astype(np.uint8)
