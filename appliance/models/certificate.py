"""Does the compiled engine say what the trained model said?

At training, the outputs of the training framework on real windows are stored in
`reference.npz`. A deployment runs the same windows through the engine and is refused, with the
figures, when they disagree.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from appliance import clock
from appliance.errors import EngineError
from appliance.models.engine import Engine


@dataclass(frozen=True)
class Demand:
    """What a precision must reach: the share of windows with the same label, the largest
    difference of a probability, and the largest loss of accuracy; None where it does not count."""

    agreement: float
    difference: float | None = None
    accuracy_loss: float | None = None


DEMANDS = {
    "fp32": Demand(1.0, difference=1e-3),
    "fp16": Demand(0.995),
    "int8": Demand(0.98, accuracy_loss=0.01),
}
TIE = 1e-3
"""Classes whose reference probabilities lie this close are a tie: either label is the same."""

_BATCH = 64
_WARM_UP, _RUNS = 5, 200
_LATENCY_BUDGET_S = 1.0
_AGAIN = "train the version again"


@dataclass(frozen=True)
class Reference:
    """`windows` float32 [n, window_samples], the trainer's `probabilities` [n, classes], the class
    index of each window (None in versions trained by early releases), and windows of the training
    clips that calibrate int8 (the reference's own where none were stored)."""

    windows: NDArray[np.float32]
    probabilities: NDArray[np.float32]
    labels: NDArray[np.int64] | None
    calibration: NDArray[np.float32]


@dataclass(frozen=True)
class Certificate:
    """The figures of one comparison; latency in ms on the device as it was then, for one window
    and for `batch` windows at once (one a microphone); memory and engine size in bytes."""

    precision: str
    engine: str
    windows: int
    largest_difference: float
    allowed_difference: float | None
    agreement: float
    needed_agreement: float
    reference_accuracy: float | None
    accuracy: float | None
    allowed_accuracy_loss: float | None
    latency_median_ms: float
    latency_p99_ms: float
    batch: int = 1
    batch_median_ms: float | None = None
    batch_p99_ms: float | None = None
    memory_bytes: int | None = None
    engine_bytes: int | None = None
    build_s: float | None = None

    @property
    def passed(self) -> bool:
        # Written so that NaN fails.
        return (
            self.agreement >= self.needed_agreement
            and self.largest_difference < float("inf")
            and (
                self.allowed_difference is None
                or self.largest_difference <= self.allowed_difference
            )
            and (
                self.allowed_accuracy_loss is None
                or self.accuracy_loss <= self.allowed_accuracy_loss + 1e-9
            )
        )

    @property
    def accuracy_loss(self) -> float:
        """Share of the labelled windows that the trained model had right and the engine has not,
        net; 0 without labels."""
        if self.accuracy is None or self.reference_accuracy is None:
            return 0.0
        return self.reference_accuracy - self.accuracy

    def sentence(self) -> str:
        """The comparison in one line."""
        parts = [
            f"same label on {self.agreement:.1%} of {self.windows} reference windows "
            f"({self.needed_agreement:.1%} needed)",
            f"largest difference {self.largest_difference:.2g}"
            + (f" ({self.allowed_difference:.2g} allowed)" if self.allowed_difference else ""),
        ]
        if self.accuracy is not None and self.reference_accuracy is not None:
            limit = self.allowed_accuracy_loss
            parts.append(
                f"accuracy {self.accuracy:.1%} against {self.reference_accuracy:.1%} trained"
                + (f" ({limit:.0%} less allowed)" if limit is not None else "")
            )
        return ", ".join(parts)

    def as_json(self) -> dict[str, Any]:
        """As it is kept with a deployment."""
        return {**asdict(self), "passed": self.passed}

    @classmethod
    def from_json(cls, raw: dict[str, Any]) -> Certificate:
        """Raises TypeError when figures are missing."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in raw.items() if name in known})


def read_reference(path: Path) -> Reference:
    """Read `reference.npz`. Raises EngineError when it is damaged or does not fit together."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
            windows = np.asarray(stored["windows"], dtype=np.float32)
            probabilities = np.asarray(stored["probabilities"], dtype=np.float32)
            labels = np.asarray(stored["labels"]) if "labels" in stored else None
            calibration = np.asarray(stored["calibration"]) if "calibration" in stored else windows
    # TypeError: an array alone is no context manager
    except (OSError, ValueError, TypeError, KeyError, BadZipFile) as error:
        raise EngineError(
            f"the reference outputs in {path} cannot be read: {error}", _AGAIN
        ) from error
    if (
        windows.ndim != 2
        or probabilities.ndim != 2
        or len(windows) != len(probabilities)
        or len(windows) == 0
    ):
        raise EngineError(
            f"the reference holds windows {windows.shape} and outputs {probabilities.shape}", _AGAIN
        )
    if calibration.ndim != 2 or calibration.shape[1] != windows.shape[1]:
        raise EngineError(f"the reference holds calibration {calibration.shape}", _AGAIN)
    if labels is not None and (labels.shape != (len(windows),) or labels.dtype.kind not in "iu"):
        raise EngineError(f"the reference holds labels {labels.shape} {labels.dtype}", _AGAIN)
    if calibration.dtype == np.int16:
        calibration = calibration.astype(np.float32) / 32768
    return Reference(
        windows,
        probabilities,
        None if labels is None else labels.astype(np.int64),
        calibration.astype(np.float32),
    )


def certify(
    engine: Engine,
    reference: Path | Reference,
    precision: str,
    *,
    batch: int = 1,
    timed: bool = True,
) -> Certificate:
    """Compare `engine` with the reference. Never refuses: the caller looks at `passed`.

    batch: windows at once whose latency is measured too, one a microphone; without `timed`
    latencies are not measured and NaN.
    """
    demand = DEMANDS[precision]
    known = read_reference(reference) if isinstance(reference, Path) else reference
    windows, expected = known.windows, known.probabilities
    if expected.shape[1] != len(engine.classes):
        raise EngineError(
            f"the reference has {expected.shape[1]} classes, the model {len(engine.classes)}",
            _AGAIN,
        )
    answers = np.concatenate(
        [engine.run(windows[i : i + _BATCH]) for i in range(0, len(windows), _BATCH)]
    )
    difference = np.abs(answers - expected).max()
    finite = bool(np.isfinite(answers).all())
    chosen = np.take_along_axis(expected, answers.argmax(axis=1)[:, None], axis=1)[:, 0]
    agreement = float(np.mean(chosen >= expected.max(axis=1) - TIE))
    one = many = (float("nan"), float("nan"))
    if timed:
        one = _latency_ms(engine, windows, 1)
        many = one if batch == 1 else _latency_ms(engine, windows, batch)
    return Certificate(
        precision=precision,
        engine=engine.name,
        windows=len(windows),
        largest_difference=float(difference) if np.isfinite(difference) else float("inf"),
        allowed_difference=demand.difference,
        agreement=agreement if finite else 0.0,
        needed_agreement=demand.agreement,
        reference_accuracy=_accuracy(expected, known.labels),
        accuracy=_accuracy(answers, known.labels) if finite else 0.0,
        allowed_accuracy_loss=demand.accuracy_loss,
        latency_median_ms=one[0],
        latency_p99_ms=one[1],
        batch=batch,
        batch_median_ms=many[0],
        batch_p99_ms=many[1],
    )


def _accuracy(answers: NDArray[np.float32], labels: NDArray[np.int64] | None) -> float | None:
    return None if labels is None else float(np.mean(answers.argmax(axis=1) == labels))


def _latency_ms(engine: Engine, windows: NDArray[np.float32], batch: int) -> tuple[float, float]:
    """Median and 99th percentile of `run` with `batch` windows."""
    times: list[int] = []
    begin = clock.monotonic_ns()
    places = np.arange(batch)
    for i in range(_WARM_UP + _RUNS):
        part = windows[(places + i * batch) % len(windows)]
        before = clock.monotonic_ns()
        engine.run(part)
        after = clock.monotonic_ns()
        if i >= _WARM_UP:
            times.append(after - before)
            if after - begin > _LATENCY_BUDGET_S * 1e9:
                break
    median, p99 = np.percentile(np.array(times) / 1e6, [50, 99])
    return float(median), float(p99)
