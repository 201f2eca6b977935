"""Does the compiled engine say what the trained model said?

At training, the outputs of the training framework on real windows are stored in
`reference.npz`. A deployment runs the same windows through the engine and is refused, with the
figures, when they disagree.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from appliance import clock
from appliance.errors import EngineError
from appliance.models.engine import Engine

ALLOWED = {"fp32": (1.0, 1e-3), "fp16": (0.995, 0.05), "int8": (0.98, 0.2)}
"""Precision -> (share of windows with the same label, largest difference of a probability)."""

_BATCH = 64
_WARM_UP, _RUNS = 5, 200
_LATENCY_BUDGET_S = 1.5


@dataclass(frozen=True)
class Certificate:
    """The figures of one comparison; latency in ms at batch 1, on the device as it was then."""

    precision: str
    engine: str
    windows: int
    largest_difference: float
    allowed_difference: float
    agreement: float
    needed_agreement: float
    latency_median_ms: float
    latency_p99_ms: float

    @property
    def passed(self) -> bool:
        # Written so that NaN fails.
        return (
            self.agreement >= self.needed_agreement
            and self.largest_difference <= self.allowed_difference
        )

    def sentence(self) -> str:
        """The comparison in one line."""
        return (
            f"same label on {self.agreement:.1%} of {self.windows} reference windows "
            f"({self.needed_agreement:.1%} needed), largest difference "
            f"{self.largest_difference:.2g} ({self.allowed_difference:.2g} allowed)"
        )


def read_reference(path: Path) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """`windows` float32 [n, window_samples] and the trainer's `probabilities` [n, classes]."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            windows = np.asarray(stored["windows"], dtype=np.float32)
            probabilities = np.asarray(stored["probabilities"], dtype=np.float32)
    # TypeError: an array alone is no context manager
    except (OSError, ValueError, TypeError, KeyError, BadZipFile) as error:
        raise EngineError(
            f"the reference outputs in {path} cannot be read: {error}", "train the version again"
        ) from error
    if (
        windows.ndim != 2
        or probabilities.ndim != 2
        or len(windows) != len(probabilities)
        or len(windows) == 0
    ):
        raise EngineError(
            f"the reference holds windows {windows.shape} and outputs {probabilities.shape}",
            "train the version again",
        )
    return windows, probabilities


def certify(engine: Engine, reference: Path, precision: str) -> Certificate:
    """Compare `engine` with the reference. Never refuses: the caller looks at `passed`.

    A label counts as the same when the reference itself gave it a probability within the allowed
    difference of its best one, so that a tie is no disagreement.
    """
    needed, allowed = ALLOWED[precision]
    windows, expected = read_reference(reference)
    if expected.shape[1] != len(engine.classes):
        raise EngineError(
            f"the reference has {expected.shape[1]} classes, the model {len(engine.classes)}",
            "train the version again",
        )
    answers = np.concatenate(
        [engine.run(windows[i : i + _BATCH]) for i in range(0, len(windows), _BATCH)]
    )
    difference = np.abs(answers - expected).max()
    chosen = np.take_along_axis(expected, answers.argmax(axis=1)[:, None], axis=1)[:, 0]
    agreement = float(np.mean(chosen >= expected.max(axis=1) - allowed))
    median, p99 = _latency_ms(engine, windows)
    return Certificate(
        precision=precision,
        engine=engine.name,
        windows=len(windows),
        largest_difference=float(difference) if np.isfinite(difference) else float("inf"),
        allowed_difference=allowed,
        agreement=agreement if np.isfinite(answers).all() else 0.0,
        needed_agreement=needed,
        latency_median_ms=median,
        latency_p99_ms=p99,
    )


def _latency_ms(engine: Engine, windows: NDArray[np.float32]) -> tuple[float, float]:
    times: list[int] = []
    begin = clock.monotonic_ns()
    for i in range(_WARM_UP + _RUNS):
        window = windows[i % len(windows)][None]
        before = clock.monotonic_ns()
        engine.run(window)
        after = clock.monotonic_ns()
        if i >= _WARM_UP:
            times.append(after - before)
            if after - begin > _LATENCY_BUDGET_S * 1e9:
                break
    median, p99 = np.percentile(np.array(times) / 1e6, [50, 99])
    return float(median), float(p99)
