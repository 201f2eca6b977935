"""What a network says of sounds that it was never taught: the figure on held-out classes."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.library.plan import FEWEST_NAMED, Plan, held_out_classes
from appliance.training.context import BACKGROUND
from appliance.training.evaluate import Judgement
from appliance.training.familiarity import Scale, fit_scale

RECALL = 0.9


def why_unknown(classes: Collection[str], plan: Plan, judged: int) -> str | None:
    """Why a version has no figure on unknown sounds; None when it has one. judged: how many clips
    the network judged that some classes were kept from."""
    if not held_out_classes(tuple(classes)):
        return (
            f"it needs at least {FEWEST_NAMED} classes besides the background, so that some can be "
            "kept from a network of its own"
        )
    if not plan.folds:
        return "the limit left no time to train a network that some classes are kept from"
    return None if judged else "the training ended before it could be judged"


def unknown_figures(
    judged: Sequence[Judgement],
    classes: Sequence[str],
    temperature: float,
    strangers: Collection[str],
) -> dict[str, Any] | None:
    """Of the clips of classes that the network was not taught, the share that would be reported
    as one of its own, at the threshold where it finds `RECALL` of its own held-out clips.

    `reported` with the rejection of unfamiliar sound, `without_rejection` with the softmax alone;
    None where no class was held out, or the time did not allow it.
    """
    known = [item for item in judged if item.clip.label not in (*strangers, BACKGROUND)]
    strange = [item for item in judged if item.clip.label in strangers]
    if not known or not strange:
        return None
    columns = [
        index for index, name in enumerate(classes) if name not in strangers and name != BACKGROUND
    ]
    # The scale comes from the same few clips; it is two numbers, and the threshold a third.
    scale = fit_scale([item for item in judged if item.clip.label not in strangers])

    def reported(use: Scale | None) -> tuple[float, float]:
        own = [_own(item, classes, temperature, use) for item in known]
        threshold = float(np.quantile(own, 1 - RECALL, method="lower"))
        best = [float(_peaks(item, temperature, use)[columns].max()) for item in strange]
        return float(np.mean([score >= threshold for score in best])), threshold

    share, threshold = reported(scale)
    return {
        "classes": sorted(strangers),
        "clips": len(strange),
        "known_clips": len(known),
        "recall": RECALL,
        "reported": round(share, 4),
        "without_rejection": round(reported(None)[0], 4),
        "threshold": round(threshold, 4),
    }


def _peaks(item: Judgement, temperature: float, scale: Scale | None) -> NDArray[np.float32]:
    """The clip's scores by class [classes]."""
    return item.probabilities(temperature, scale)


def _own(item: Judgement, classes: Sequence[str], temperature: float, scale: Scale | None) -> float:
    scores = _peaks(item, temperature, scale)
    label = classes.index(item.clip.label)
    # Confused with another class, it is not found at any threshold.
    return float(scores[label]) if int(scores.argmax()) == label else 0.0
