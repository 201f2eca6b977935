"""What runs a version on this device: one protocol, whatever the runtime."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InvalidInput
from appliance.models.card import Card, read_card

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


def check_precision(precision: str) -> None:
    """Raises InvalidInput for one that does not exist."""
    if precision not in PRECISIONS:
        raise InvalidInput(
            f"unknown precision {precision!r}", f"choose one of {', '.join(PRECISIONS)}"
        )


def open_reference_engine(
    folder: Path, sha256: str | None = None, precision: str = "fp32"
) -> Engine:
    """The version in `folder` in ONNX Runtime: nothing is compiled.

    fp32 is as it was trained; another precision is made here, in seconds, as a build for a
    processor makes it. `sha256`: what the ONNX file must hash to. Raises EngineError when the file
    is damaged, or cannot be had in that precision.
    """
    from appliance.models.onnx_engine import OnnxEngine

    card = read_card(folder / "card.json")
    if precision == "fp32":
        return OnnxEngine(folder / "model.onnx", card, sha256=sha256)
    from appliance.models.build_child import converted
    from appliance.models.certificate import read_reference
    from appliance.models.onnx_engine import read_network

    network = read_network(folder / "model.onnx", sha256)
    reference = read_reference(folder / "reference.npz")
    return OnnxEngine(converted(network, precision, reference, on_cpu=True), card)


def load_engine(runtime: str, content: bytes, card: Card) -> Engine:
    """A compiled engine from its bytes. `runtime`: as in `target.Target`. Raises EngineError."""
    from appliance.models.onnx_engine import OnnxEngine
    from appliance.models.tensorrt_engine import TensorRTEngine, library

    if runtime == "onnxruntime":
        return OnnxEngine(content, card)
    return TensorRTEngine(library(runtime), content, card)
