"""What does the deployed version say about a recording?"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.audio.resample import resample
from appliance.audio.windows import clip_probabilities, cut_windows, window_weights
from appliance.errors import InvalidInput
from appliance.models.engine import Engine

BATCH = 64
TOP = 5


@dataclass(frozen=True)
class Prediction:
    """The answer for a whole recording; `scores` holds every class, highest first; `windows` the
    top 5 of each window with its start in seconds."""

    label: str
    score: float
    scores: dict[str, float]
    windows: list[dict[str, Any]]


def predict(engine: Engine, samples: NDArray[np.float32], rate: int) -> Prediction:
    """Cut, score and join as evaluation does. samples: mono float32 [n] at `rate` Hz.

    Raises InvalidInput for an empty signal or one that is not finite.
    """
    signal = np.asarray(samples, dtype=np.float32).reshape(-1)
    if signal.size == 0:
        raise InvalidInput("there is no sound in it", "give a recording with at least one sample")
    if not np.isfinite(signal).all():
        raise InvalidInput("the samples are not finite numbers", "export the recording again")
    if rate != engine.sample_rate:
        signal = resample(signal, rate, engine.sample_rate)
    windows = cut_windows(signal, engine.window_samples, engine.hop_samples)
    answers = np.concatenate(
        [engine.run(windows[i : i + BATCH]) for i in range(0, len(windows), BATCH)]
    )
    joined = clip_probabilities(answers, window_weights(windows))
    last = max(signal.size - engine.window_samples, 0)
    listed = [
        {
            "start_s": min(i * engine.hop_samples, last) / engine.sample_rate,
            "top": top(engine.classes, answer),
        }
        for i, answer in enumerate(answers)
    ]
    ranked = top(engine.classes, joined, len(engine.classes))
    scores = {entry["label"]: entry["score"] for entry in ranked}
    return Prediction(ranked[0]["label"], ranked[0]["score"], scores, listed)


def top(
    classes: tuple[str, ...], probabilities: NDArray[np.float32], count: int = TOP
) -> list[dict[str, Any]]:
    """The `count` highest of probabilities [classes], as `{"label", "score"}`."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return [{"label": classes[i], "score": float(probabilities[i])} for i in order]
