"""How each microphone usually sounds in its training data, for the version's card."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.audio.spectrum import FRAME, band_levels, quiet_bands, usual_bands
from appliance.training.context import BACKGROUND, Context
from appliance.training.sounds import read_sounds

# Enough to know a microphone by; more would cost the job time.
MOST_CLIPS = 24
MOST_MICROPHONES = 64
# With so many clips of background, those alone say what is there when nothing sounds.
FEWEST_BACKGROUND = 5


def usual_microphones(context: Context) -> dict[str, dict[str, Any]]:
    """Of each microphone with clips: `bands_db` [16], `spread_db` and the number of clips."""
    by_microphone: dict[str, list[int]] = {}
    for place, clip in enumerate(context.manifest.clips):
        long_enough = clip.duration_s * context.shape.rate >= FRAME
        if clip.microphone is not None and long_enough:
            by_microphone.setdefault(clip.microphone, []).append(place)
    found = {}
    for microphone, places in sorted(by_microphone.items())[:MOST_MICROPHONES]:
        clips = context.manifest.clips
        quiet = [place for place in places if clips[place].label == BACKGROUND]
        chosen = quiet if len(quiet) >= FEWEST_BACKGROUND else places
        chosen = chosen[:: max(1, -(-len(chosen) // MOST_CLIPS))]
        bands, spread = usual_bands(_quiet(context, chosen))
        found[microphone] = {"bands_db": bands, "spread_db": spread, "clips": len(chosen)}
    return found


def _quiet(context: Context, places: list[int]) -> list[NDArray[np.float32]]:
    rate = context.shape.rate

    def work(samples: NDArray[np.float32]) -> NDArray[np.float32]:
        return quiet_bands(band_levels(samples, rate))

    paths = [context.manifest.clips[place].path for place in places]
    return list(read_sounds(paths, rate, context.manifest.threads, work))
