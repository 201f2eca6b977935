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
from appliance.audio.mel import mel_power

RANGE_DB = 80.0
CACHE_BYTES = 4_000_000
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


@lru_cache(maxsize=1)
def _palette() -> NDArray[np.uint8]:
    """256 colours [256, 3]."""
    stops = np.linspace(0, 255, len(_COLOURS))
    channels = [np.interp(np.arange(256), stops, values) for values in zip(*_COLOURS, strict=True)]
    return np.stack(channels, axis=1).astype(np.uint8)
