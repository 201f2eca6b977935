"""What runs a version on this device.

There is one protocol and one place that chooses the runtime. ONNX Runtime is the engine where
there is no NVIDIA GPU.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.errors import EngineError, InvalidInput
from appliance.models.card import read_card

PRECISIONS = ("fp32", "fp16", "int8")


class Engine(Protocol):
    """A compiled version. `run` may be called from several threads."""

    @property
    def name(self) -> str:
        """The runtime and its release: `onnxruntime 1.20.0`."""

    @property
    def classes(self) -> tuple[str, ...]:
        """In the order of the columns of `run`'s answer."""

    @property
    def sample_rate(self) -> int:
        """Hz."""

    @property
    def window_samples(self) -> int: ...

    @property
    def hop_samples(self) -> int:
        """The step between windows that the version was judged with."""

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [batch, window_samples] -> probabilities float32 [batch, classes].

        Raises EngineError when the shape is wrong or the runtime fails."""

    def close(self) -> None:
        """Free what it holds. A `run` on its way ends well; later ones raise EngineError."""


def open_engine(folder: Path, precision: str, sha256: str | None = None) -> Engine:
    """Make the best engine that this device offers for the version in `folder`.

    `sha256`: what the ONNX file must hash to. Raises InvalidInput for an unknown precision,
    EngineError when the file is damaged or the device cannot do it.
    """
    from appliance.models.onnx_engine import OnnxEngine

    if precision not in PRECISIONS:
        raise InvalidInput(
            f"unknown precision {precision!r}", f"choose one of {', '.join(PRECISIONS)}"
        )
    if precision != "fp32":
        raise EngineError(
            f"{precision} needs TensorRT and an NVIDIA GPU, which this device does not have",
            "deploy with fp32, which ONNX Runtime runs here",
        )
    return OnnxEngine(folder / "model.onnx", read_card(folder / "card.json"), sha256=sha256)
