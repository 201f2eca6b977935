"""Where in a window a sound begins: a score says that it is there, its loudness says since when."""

from __future__ import annotations

import numpy as np

from appliance.audio.source import Samples

STEP_S = 0.02
# A sound stands out when it is so much louder than what is around it.
CONTRAST_DB = 8.0
# Quiet no longer than this belongs to the sound: between the beats of a knock, say.
PAUSE_S = 0.06
# The network may need this much of a sound before its score rises.
REACTION_S = 0.5


def onset_before_end(samples: Samples, rate: int, risen_s: float, hop_s: float) -> float:
    """How long before the end of a window its sound began, in seconds.

    samples: float32 [n], the window; risen_s: how long before its end the first window ended that
    heard the sound. The window one hop before that one did not, so most of the sound came later.
    Takes the first stretch since then (and a reaction time before) that stands out; a sound that
    goes on from earlier is followed back. Without contrast (rain, a hum), and where the score rose
    before this window began, the answer is the middle of what the scores leave open: one hop
    before the rise.
    """
    step = max(1, round(STEP_S * rate))
    count = len(samples) // step
    # Steps counted from the window's end, where time is known.
    tail = samples[len(samples) - count * step :].reshape(count, step)
    power = np.square(tail, dtype=np.float64).mean(axis=1)
    level = 10.0 * np.log10(power + 1e-12)
    steps_s = step / rate
    fallback = risen_s + hop_s
    last = count - round(risen_s / steps_s)
    first = max(0, last - round((hop_s + REACTION_S) / steps_s))
    if not 0 < last <= count:
        return fallback
    quiet, loud = float(np.percentile(level, 10)), float(level[first:last].max())
    if loud - quiet < CONTRAST_DB:
        return fallback
    stands_out = level >= (quiet + loud) / 2
    begin = first + int(np.argmax(stands_out[first:last]))
    pause = round(PAUSE_S / steps_s)
    while begin > 0 and stands_out[max(0, begin - pause) : begin].any():
        begin = max(0, begin - pause) + int(np.argmax(stands_out[max(0, begin - pause) : begin]))
    return (count - begin) * steps_s
