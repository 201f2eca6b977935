"""Does a microphone still sound as it did in its training data?

Compared is its quiet spectrum: what is there when nothing sounds. All bands up or down together
is a gain that was turned, or a new noise; the high ones down is a cover or a wall. Ten minutes
must agree before anything is said, because a lorry is no drift.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.audio.source import Samples
from appliance.audio.spectrum import BANDS, FLOOR_DB, band_edges, band_levels, quiet_bands

UNKNOWN, GATHERING, USUAL, MOVED = "unknown", "gathering", "usual", "moved"
STEP_S = 60.0
STEPS = 10
# Rooms differ by so much between night and day without anybody touching the microphone.
LEVEL_DB, SHAPE_DB = 12.0, 12.0
# It is usual again below this share of the limits.
BACK = 0.7
FEWEST_CLIPS = 5
HIGH_HZ = 2000.0


@dataclass(frozen=True)
class Usual:
    """Of one microphone's training clips: quiet bands [BANDS] in dB, and their usual spread."""

    bands_db: tuple[float, ...]
    spread_db: float
    clips: int

    @classmethod
    def of_card(cls, card: Mapping[str, Any], microphone: str) -> Usual | None:
        """From a version's card; None when too few of its clips came from this microphone. A card
        may come from somebody else: what is no number is nothing."""
        known = card.get("microphones")
        found = known.get(microphone) if isinstance(known, dict) else None
        if not isinstance(found, dict):
            return None
        try:
            bands = tuple(float(band) for band in found["bands_db"])
            usual = cls(bands, float(found["spread_db"]), int(found["clips"]))
        except (KeyError, TypeError, ValueError):
            return None
        good = len(bands) == BANDS and bool(np.isfinite((*bands, usual.spread_db)).all())
        return usual if good and usual.clips >= FEWEST_CLIPS else None


@dataclass(frozen=True)
class DriftState:
    """state: "unknown" (no clip of this microphone was trained on), "gathering" (the first
    minutes), "usual" or "moved". level_db: how much louder it is than in training, all bands
    together; shape_db: the largest difference of one band beyond that, at `shape_hz`."""

    state: str
    level_db: float | None = None
    shape_db: float | None = None
    shape_hz: float | None = None
    advice: str = ""


class Drift:
    """One microphone under one version; fed with sound in order. Not thread-safe."""

    def __init__(self, usual: Usual | None, rate: int) -> None:
        self._usual = usual
        self._rate = rate
        self._levels: list[NDArray[np.float32]] = []
        self._held_s = 0.0
        self._steps: deque[NDArray[np.float32]] = deque(maxlen=STEPS)
        self.state = DriftState(UNKNOWN if usual is None else GATHERING)

    def push(self, samples: Samples) -> bool:
        """More sound at the model's rate; True when the state has changed between usual and
        moved."""
        if self._usual is None:
            return False
        self._levels.append(band_levels(samples, self._rate))
        self._held_s += len(samples) / self._rate
        if self._held_s < STEP_S:
            return False
        self._steps.append(quiet_bands(np.concatenate(self._levels)))
        self._levels, self._held_s = [], 0.0
        if len(self._steps) < STEPS:
            return False
        before = self.state.state
        self.state = self._compared(self._usual, np.median(np.stack(self._steps), axis=0))
        return self.state.state != before and MOVED in (self.state.state, before)

    def _compared(self, usual: Usual, bands: NDArray[np.floating[Any]]) -> DriftState:
        expected = np.array(usual.bands_db)
        # Bands that hold nothing at all, as above a telephone's 4 kHz, say nothing.
        heard = expected > FLOOR_DB + 10
        if not heard.any():
            return DriftState(UNKNOWN)
        difference = np.where(heard, bands - expected, 0.0)
        level = float(np.median(difference[heard]))
        shape = np.where(heard, difference - level, 0.0)
        worst = int(np.abs(shape).argmax())
        ease = BACK if self.state.state == MOVED else 1.0
        allowed = (LEVEL_DB + 2 * usual.spread_db) * ease
        moved = abs(level) > allowed or abs(shape[worst]) > SHAPE_DB * ease
        edges = band_edges(self._rate)
        hertz = float(np.sqrt(edges[worst] * edges[worst + 1]))
        advice = _advice(level, allowed, float(shape[worst]), hertz) if moved else ""
        return DriftState(
            MOVED if moved else USUAL,
            round(level, 1),
            round(float(shape[worst]), 1),
            round(hertz),
            advice,
        )


def _advice(level: float, allowed: float, shape: float, hertz: float) -> str:
    if level < -allowed:
        return (
            f"{-level:.0f} dB quieter than in its training data: is it covered, unplugged from its"
            " preamplifier, or its gain turned down?"
        )
    if level > allowed:
        return (
            f"{level:.0f} dB louder than in its training data: was its gain turned up, or is"
            " something new humming near it? Then record background and train again"
        )
    if shape < 0 and hertz >= HIGH_HZ:
        return (
            f"{-shape:.0f} dB weaker around {hertz:.0f} Hz than in its training data: is it"
            " covered, or turned to a wall?"
        )
    what = "stronger" if shape > 0 else "weaker"
    return (
        f"{abs(shape):.0f} dB {what} around {hertz:.0f} Hz than in its training data: was it moved?"
        " Record background where it stands now, and train again"
    )
