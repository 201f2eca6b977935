"""Every hyperparameter of a training, chosen from the set of clips and the plan.

The values come from measurements on ESC-10, FSDD and small subsets of them. The order of what
mattered: epochs a minute, speed and shift, crops by energy, equalisation and gain, and that
regularisation grows with the length of the training (masks and mixing cost a point when there
are only some epochs).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.training.features import FrontEnd

FRAMES_STEP = 16  # the network halves time four times
SHORTEST_FRAMES = 48
LONGEST_S = 2.58
# A short window gets a finer time grid, so that the network still sees about 100 frames.
FINE_BELOW_S = 1.6
# Half the bandwidth needs fewer bands (a multiple of 16, too).
NARROW_HZ, NARROW_MELS = 5000.0, 48
# Channels of the stem and the blocks. A smaller network learns a handful of clips better, and where
# the time allows few epochs a faster one gets further; with enough of both the widest that keeps to
# 300,000 parameters is best (ESC-10, 300 epochs, the same steps: log loss 0.20 instead of 0.25).
FEW_CLIPS, FEW_CLIPS_WIDTHS = 100, (12, 24, 48, 72)
FEW_EPOCHS, FEW_EPOCHS_WIDTHS = 200, (16, 32, 64, 96)
WIDTHS = (24, 48, 72, 104)
MOST_CLASSES = 100  # more of them make a head for which the widest has no parameters left


@dataclass(frozen=True)
class Recipe:
    """Probabilities are shares of the samples; levels in dB; frequency shifts in mel bands.

    `faintest_crop`: a crop comes in proportion to the root of its energy relative to the clip's
    loudest, which counts as at least this. It is small: every window is brought to one level, so a
    stretch without the clip's sound would be taught as that sound.

    `part`: so many crops of long clips hold only the beginning or the end of their sound. Listening
    meets such windows; a set without background is for telling clips apart, and is better without.
    """

    widths: tuple[int, ...] = WIDTHS
    dropout: float = 0.2
    learning_rate: float = 4e-3
    weight_decay: float = 0.05
    warm_up: float = 0.1
    label_smoothing: float = 0.1
    averaging: float = 0.99
    balance: float = 0.25
    speed: float = 0.25
    shift_bands: float = 3.0
    scale_bands: float = 0.1
    gain_db: float = 6.0
    equaliser_db: float = 4.0
    mixing: float = 0.5
    frequency_mask: int = 6
    time_mask_share: float = 0.1
    faintest_crop: float = 0.002
    noise: float = 0.1
    part: float = 0.0
    background: float = 0.0


def front_end(durations: Sequence[float], native_rates: Sequence[int], rate: int) -> FrontEnd:
    """The window follows the clips: three of four fit into it, between 1 s and 2.6 s.

    Clips recorded at 8 kHz have nothing above 4 kHz: when at least half are such, the mel bands
    end there, and a better microphone later brings nothing unseen.
    """
    wanted = sorted(durations)[(len(durations) * 3) // 4]
    wanted = min(max(wanted, 1.0), LONGEST_S)
    fft, hop = (512, 160) if wanted < FINE_BELOW_S else (640, 320)
    frames = max(SHORTEST_FRAMES, FRAMES_STEP * round(wanted * rate / hop / FRAMES_STEP))
    high_hz = min(rate, sorted(native_rates)[len(native_rates) // 2]) / 2
    mels = FrontEnd.mels if high_hz > NARROW_HZ else NARROW_MELS
    return FrontEnd(rate=rate, fft=fft, hop=hop, mels=mels, frames=frames, high_hz=high_hz)


def network_widths(clips: int, classes: int, epochs: float) -> tuple[int, ...]:
    """epochs: about how often each clip will be seen."""
    if clips < FEW_CLIPS:
        return FEW_CLIPS_WIDTHS
    return WIDTHS if epochs >= FEW_EPOCHS and classes <= MOST_CLASSES else FEW_EPOCHS_WIDTHS


def make_recipe(epochs: float, windows: float, has_background: bool) -> Recipe:
    """epochs: how often each clip is seen; windows: how many crops in all."""
    strength = min(_ramp(epochs, 80, 250), _ramp(windows, 20_000, 80_000))
    return Recipe(
        mixing=Recipe.mixing * strength,
        frequency_mask=round(Recipe.frequency_mask * strength),
        time_mask_share=Recipe.time_mask_share * strength,
        background=0.3 if has_background else 0.0,
        part=0.3 if has_background else 0.0,
    )


def _ramp(value: float, low: float, high: float) -> float:
    """0 below `low`, 1 above `high`, linear in the logarithm between."""
    if value <= low:
        return 0.0
    return min(1.0, math.log(value / low) / math.log(high / low))
