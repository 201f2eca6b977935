"""What a version is worth, by the definitions of the words. NumPy only.

Of a class: precision is the share of the clips predicted as it that are it; recall the share of
its clips that were predicted as it; F1 their harmonic mean. Macro figures are means over classes
that have clips, so a large class cannot hide a small one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.audio.windows import clip_probabilities
from appliance.training.manifest import ClipEntry

# Temperatures tried: the network may be twice too bold or five times too shy.
TEMPERATURES = np.exp(np.linspace(np.log(0.2), np.log(2.0), 47))
# So many clips' worth of belief that the temperature is 1.
PRIOR_CLIPS = 5.0
# Of other classes' clips, so many of the highest scores are kept for each class.
MOST_SCORES = 200


class FamiliarityScale(Protocol):
    """From the density of a window to its familiarity, 0 to 1."""

    def of(self, density: NDArray[np.float32]) -> NDArray[np.float32]: ...


@dataclass(frozen=True)
class Judgement:
    """A clip seen by a network that was not trained on it (unless the note says so).

    `logits` [windows, classes] float32, `weights` [windows] as windows.window_weights gives them,
    `density` [windows] how densely what was taught lies around them (familiarity.py), `in_rooms`
    [len(rooms.RATIOS_DB)] around the loudest one over the noise of rooms.
    """

    clip: ClipEntry
    logits: NDArray[np.float32]
    weights: NDArray[np.float32]
    density: NDArray[np.float32] | None = None
    in_rooms: NDArray[np.float32] | None = None

    def windows(
        self, temperature: float, scale: FamiliarityScale | None = None
    ) -> NDArray[np.float32]:
        """What the deployed network says of each window: [windows, classes]."""
        found = softmax(self.logits / temperature)
        if scale is not None and self.density is not None:
            found = found * scale.of(self.density)[:, None]
        return found

    def probabilities(
        self, temperature: float, scale: FamiliarityScale | None = None
    ) -> NDArray[np.float32]:
        """The clip's class probabilities [classes]."""
        return clip_probabilities(self.windows(temperature, scale), self.weights)


def softmax(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Along the last axis."""
    shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
    result: NDArray[np.float32] = (shifted / shifted.sum(axis=-1, keepdims=True)).astype(np.float32)
    return result


def fit_temperature(judged: Sequence[Judgement], classes: Sequence[str]) -> float:
    """The one number that makes the scores as sure as they are right (least log loss).

    Label smoothing and mixing leave a network too shy for thresholds. With few clips the
    temperature stays near 1.
    """
    if not judged:
        return 1.0
    targets = [classes.index(item.clip.label) for item in judged]
    losses = []
    for temperature in TEMPERATURES:
        right = np.array(
            [
                item.probabilities(float(temperature))[target]
                for item, target in zip(judged, targets, strict=True)
            ]
        )
        belief = PRIOR_CLIPS * np.log(temperature) ** 2
        losses.append(-np.log(np.maximum(right, 1e-6)).sum() + belief)
    return float(TEMPERATURES[int(np.argmin(losses))])


def crossfit_probabilities(
    judged: Sequence[Judgement], classes: Sequence[str], scale: FamiliarityScale | None = None
) -> list[NDArray[np.float32]]:
    """Each clip's probabilities at the temperature that the other half of the clips gives."""
    halves = [judged[0::2], judged[1::2]]
    temperatures = [fit_temperature(half, classes) for half in halves]
    return [
        item.probabilities(temperatures[1 - place % 2], scale) for place, item in enumerate(judged)
    ]


def evaluation(
    judged: Sequence[Judgement],
    all_clips: Sequence[ClipEntry],
    classes: Sequence[str],
    *,
    protocol: str,
    on_training_clips: bool,
    curves: Sequence[dict[str, Any]],
    scale: FamiliarityScale | None = None,
) -> dict[str, Any]:
    """The content of evaluation.json."""
    probabilities = crossfit_probabilities(judged, classes, scale)
    labelled = np.array([classes.index(item.clip.label) for item in judged], dtype=np.int64)
    predicted = np.array([int(p.argmax()) for p in probabilities], dtype=np.int64)
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (labelled, predicted), 1)
    by_class = [
        {
            "label": name,
            **_class_figures(counts, index),
            **_class_facts(name, all_clips, on_training_clips),
        }
        for index, name in enumerate(classes)
    ]
    present = [row for row in by_class if row["support"]]
    total = int(counts.sum())
    single = [row["label"] for row in by_class if row["sessions"] == 1]
    return {
        "protocol": protocol,
        "optimistic": on_training_clips or bool(single),
        "on_training_clips": on_training_clips,
        "note": _note(protocol, len(judged), len(all_clips), single, on_training_clips),
        "clips": len(judged),
        "accuracy": float(np.trace(counts) / total) if total else 0.0,
        "balanced_accuracy": _mean(present, "recall"),
        "macro": {name: _mean(present, name) for name in ("precision", "recall", "f1")},
        "classes": by_class,
        "confusion": {"labels": list(classes), "counts": counts.tolist()},
        "predictions": [
            {
                "clip": item.clip.id,
                "label": item.clip.label,
                "predicted": classes[int(p.argmax())],
                "score": round(float(p.max()), 5),
            }
            for item, p in zip(judged, probabilities, strict=True)
        ],
        "scores": listening_scores(judged, classes, fit_temperature(judged, classes), scale),
        "curves": list(curves),
    }


def listening_scores(
    judged: Sequence[Judgement],
    classes: Sequence[str],
    temperature: float,
    scale: FamiliarityScale | None,
) -> dict[str, dict[str, list[float]]]:
    """How high each class comes in held-out clips when they are listened to: `own` its clips,
    `others` the rest (the highest of them only), each sorted downwards.

    As in live/decision.py the mean of two neighbouring windows counts.
    """
    peaks = np.zeros((len(judged), len(classes)), dtype=np.float32)
    for place, item in enumerate(judged):
        windows = item.windows(temperature, scale)
        pairs = (windows[1:] + windows[:-1]) / 2 if len(windows) > 1 else windows
        peaks[place] = pairs.max(axis=0)
    labels = np.array([item.clip.label for item in judged])
    found = {}
    for index, name in enumerate(classes):
        own, others = peaks[labels == name, index], peaks[labels != name, index]
        found[name] = {
            "own": [round(float(score), 4) for score in np.sort(own)[::-1]],
            "others": [round(float(score), 4) for score in np.sort(others)[::-1][:MOST_SCORES]],
        }
    return found


def _class_figures(counts: NDArray[np.int64], index: int) -> dict[str, Any]:
    right = int(counts[index, index])
    support, chosen = int(counts[index].sum()), int(counts[:, index].sum())
    precision = right / chosen if chosen else 0.0
    recall = right / support if support else 0.0
    f1 = 2 * precision * recall / (precision + recall) if right else 0.0
    return {"precision": precision, "recall": recall, "f1": f1, "support": support}


def _class_facts(name: str, clips: Sequence[ClipEntry], on_training_clips: bool) -> dict[str, Any]:
    own = [clip for clip in clips if clip.label == name]
    sessions = len({clip.session for clip in own})
    return {
        "clips": len(own),
        "sessions": sessions,
        "seconds": round(sum(clip.duration_s for clip in own), 3),
        "optimistic": on_training_clips or sessions == 1,
    }


def _mean(rows: Sequence[dict[str, Any]], name: str) -> float:
    return float(np.mean([row[name] for row in rows])) if rows else 0.0


def _note(
    protocol: str, judged: int, clips: int, single: Sequence[str], on_training_clips: bool
) -> str:
    """What the figures rest on, in words."""
    if on_training_clips:
        return (
            f"optimistic: {judged} clips that the network was trained on; "
            "the training ended before any clip could be held out"
        )
    if protocol == "holdout":
        note = f"{judged} clips from sessions that the network was not trained on"
    else:
        note = f"{judged} of {clips} clips, each judged by a network not trained on its session"
    if single:
        note += f"; optimistic: one recording only of {', '.join(single)}"
    return note
