"""Short sounds on disk that the toy version tells apart: low and high tones, and noise."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

from tests.models import toy


def write_sounds(folder: Path, count: int = 6, seconds: float = 1.0) -> dict[str, list[Path]]:
    """`count` files a class, each different, by class."""
    random = np.random.default_rng(7)
    made: dict[str, list[Path]] = {}
    for label, hz in (("background", 0.0), ("high", toy.HIGH_HZ), ("low", toy.LOW_HZ)):
        for number in range(count):
            sound = toy.tone(hz, seconds) + random.normal(0, 0.002, int(seconds * toy.RATE))
            path = folder / f"{label}-{number}.wav"
            soundfile.write(path, sound.astype(np.float32), toy.RATE)
            made.setdefault(label, []).append(path)
    return made
