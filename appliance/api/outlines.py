"""A sound in outline, as numbers: what a terminal draws a spectrogram and a waveform from."""

from __future__ import annotations

import itertools
import threading
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from appliance.audio.flac import read_flac
from appliance.audio.mel import mel_power

RANGE_DB = 80.0
KEPT = 256


@dataclass(frozen=True)
class Outline:
    """`spectrum`: `rows` bytes a column in hexadecimal, the lowest pitch first, column after
    column; 255 is the loudest point, 0 is 80 dB below it or less. `peaks`: a byte a column, the
    largest sample there, 255 is full scale. A column lasts duration_s / columns."""

    columns: int
    rows: int
    duration_s: float
    top_hz: float
    spectrum: str
    peaks: str


class Outlines:
    """The last few hundred of them are kept. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int, int], Outline] = OrderedDict()

    def of(self, sha256: str, path: Path, columns: int, rows: int) -> Outline:
        """Of the clip with that hash. Raises DecodeError when its file is damaged."""
        key = (sha256, columns, rows)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        made = outline(*read_flac(path), columns, rows)
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


def outline(samples: NDArray[np.float32], rate: int, columns: int, rows: int) -> Outline:
    """samples: mono float32 [n], full scale 1; rate in Hz."""
    power = mel_power(samples, rate, columns, rows)
    level = 10.0 * np.log10(np.maximum(power, 1e-12))
    shade = np.clip((level - level.max()) / RANGE_DB + 1.0, 0.0, 1.0)
    # Digital silence has no loudest point to measure from.
    if power.max() <= 1e-12:
        shade[:] = 0.0
    edges = np.linspace(0, len(samples), columns + 1).astype(int)
    size = np.abs(samples)
    peaks = [size[a:b].max() if b > a else 0.0 for a, b in itertools.pairwise(edges)]
    scaled = np.clip(np.rint(np.array(peaks) * 255), 0, 255).astype(np.uint8)
    return Outline(
        columns=columns,
        rows=rows,
        duration_s=len(samples) / rate,
        top_hz=rate / 2,
        spectrum=np.rint(shade.T * 255).astype(np.uint8).tobytes().hex(),
        peaks=scaled.tobytes().hex(),
    )
