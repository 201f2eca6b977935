"""How long a training should take: the limit, or less when so few clips need less.

The daemon shows this plan before a job is submitted, with the speed that the last trainings
reached on this device; the training child makes it again with the speed that it has measured. The
unit is the window (one crop of one clip seen once by the network). The figures come from
measurements on ESC-10: 320 clips of 5 s keep improving up to about 1,000 epochs, a set of 50 short
clips is done after some hundred steps.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

from appliance.units import human_duration

BATCH = 64
SMALLEST_BATCH = 16

# Below this many steps the averaged weights have not left their start.
FEWEST_STEPS = 250
FEWEST_FOLD_STEPS = 100
# Epochs that help grow with the set, up to this many; beyond the turning point the windows grow
# with the root of the set only, because the clips themselves bring the variety.
EPOCHS_PER_CLIP = 3.0
MOST_EPOCHS = 1000.0
SECONDS_A_CLIP = 5.0

# Start of the child, import of torch, evaluation and export, on a small board's two cores.
FIXED_SECONDS = 15.0
# Decoding, resampling and log-mel on two cores, in seconds of sound a second.
SOUND_SECONDS_A_SECOND = 800.0
# Windows of 2.6 s a second on two desktop cores in bf16, with augmentation.
TYPICAL_WINDOWS_A_SECOND = 900.0
LONGEST_WINDOW_S = 2.6
SHORTEST_WINDOW_S = 1.0

BACKGROUND = "background"
# A network that a holdout could do without takes no more than what is left of this share of the
# limit: judging it takes its time, too.
SPARE_SHARE = 0.8
# With fewer classes beside the background, none can be spared to play the unknown sound.
FEWEST_NAMED = 4

CROSS_VALIDATION = "cross-validation"
HOLDOUT = "holdout"
FOLDS = 5


@dataclass(frozen=True)
class Plan:
    """A training's length. `seconds` spans child start to written result.

    `steps` train the version itself; each of `folds` judging networks gets `fold_steps`. A holdout
    needs none; it gets one, to see what is said of unknown sounds, where there is time to spare.
    `why` is one line for people.
    """

    seconds: float
    steps: int
    epochs: float
    fold_steps: int
    folds: int
    batch: int
    limited: bool
    why: str
    # By how much the steps could grow before more of them bring nothing. Above 1 when the limit cut
    # them: a machine that turns faster than it did when it was measured may go so far.
    room: float = 1.0

    @property
    def all_steps(self) -> int:
        return self.steps + self.folds * self.fold_steps


def held_out_classes(classes: Sequence[str]) -> frozenset[str]:
    """Those that one judging network is not taught, so that it meets unknown sounds: every third
    in alphabetical order. None where too few would be left."""
    named = sorted(name for name in classes if name != BACKGROUND)
    return frozenset(named[1::3]) if len(named) >= FEWEST_NAMED else frozenset()


def batch_size(clips: int) -> int:
    """Windows in one step: 64, fewer for a handful of clips."""
    return BATCH if clips >= BATCH // 2 else max(SMALLEST_BATCH, min(BATCH, 2 * clips))


def wanted_windows(clips: int, total_seconds: float) -> float:
    """How many windows a set of so many clips profits from."""
    size = max(float(clips), total_seconds / SECONDS_A_CLIP, 1.0)
    turning = MOST_EPOCHS / EPOCHS_PER_CLIP
    if size <= turning:
        return size * size * EPOCHS_PER_CLIP
    return float(turning * MOST_EPOCHS * (size / turning) ** 0.5)


def plan_training(
    clips: int,
    classes: int,
    total_seconds: float,
    limit_s: float,
    protocol: str,
    clips_per_second: float | None = None,
    *,
    folds: int = FOLDS,
    spared: int = 0,
    fixed_s: float | None = None,
) -> Plan:
    """Plan a training of `clips` clips (those trained on) with `total_seconds` of sound.

    limit_s: what is left of the limit, in seconds; `clips_per_second`: measured windows a second,
    None before anything was measured; `folds`: judging networks of a cross-validation, `spared` of
    a holdout, where the limit leaves the time; `fixed_s`: seconds that are not training, None for
    the typical. The plan never exceeds the limit as far as the speed is known.
    """
    batch = batch_size(clips)
    speed = clips_per_second or typical_speed(clips, total_seconds)
    fixed = FIXED_SECONDS + total_seconds / SOUND_SECONDS_A_SECOND if fixed_s is None else fixed_s
    judged = folds if protocol == CROSS_VALIDATION else 0
    # More classes need a little more to be told apart; two or three need no more than the floor.
    fewest = round(FEWEST_STEPS * max(1.0, classes / 10) ** 0.5)
    steps = max(fewest, round(wanted_windows(clips, total_seconds) / batch))
    affordable_s = max(limit_s - fixed, 1.0)
    fold_steps = max(FEWEST_FOLD_STEPS, steps // 3)
    if not judged and (steps + spared * fold_steps) * batch / speed <= SPARE_SHARE * affordable_s:
        judged = spared
    fold_steps = fold_steps if judged else 0
    wanted_s = (steps + judged * fold_steps) * batch / speed
    limited = wanted_s > affordable_s
    room = wanted_s / affordable_s if limited else 1.0
    if limited:
        share = affordable_s / wanted_s
        steps = max(1, int(steps * share))
        fold_steps = max(1, int(fold_steps * share)) if judged else 0
    seconds = min(limit_s, fixed + (steps + judged * fold_steps) * batch / speed)
    epochs = steps * batch / max(clips, 1)
    needed, limit = human_duration(wanted_s + fixed), human_duration(limit_s)
    told = (
        f"would profit from about {needed}; the limit allows {limit}"
        if limited
        else f"need about {needed}; the limit is {limit}"
    )
    why = f"{clips} clips of {classes} classes {told}"
    if not clips_per_second:
        why += "; guessed, since no training was measured on this box yet: it may well take longer"
    return Plan(seconds, steps, epochs, fold_steps, judged, batch, limited, why, room)


def typical_speed(clips: int, total_seconds: float) -> float:
    """Windows a second to expect before anything was measured on this device."""
    cores = min(os.cpu_count() or 1, 8)
    return TYPICAL_WINDOWS_A_SECOND * shorter(clips, total_seconds) * cores / 2


def shorter(clips: int, total_seconds: float) -> float:
    """How many windows of such clips are as much work as one of the longest: 1 to 2.6. By this a
    speed that was measured on one set of clips is carried over to another."""
    mean = total_seconds / max(clips, 1)
    return LONGEST_WINDOW_S / min(max(mean, SHORTEST_WINDOW_S), LONGEST_WINDOW_S)
