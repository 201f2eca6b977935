"""A version in ONNX Runtime: the engine where there is no NVIDIA GPU."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from appliance.errors import EngineError
from appliance.models.card import Card
from appliance.models.carded import ADVICE, INPUT, OUTPUT, Carded, closed

_ERRORS_ONLY = 3

ort.set_default_logger_severity(_ERRORS_ONLY)


class OnnxEngine(Carded):
    """One thread by default: listening must leave the cores to capture and training.

    Raises EngineError when the file is missing, altered or not what its card says.
    """

    def __init__(
        self, model: Path | bytes, card: Card, *, threads: int = 1, sha256: str | None = None
    ) -> None:
        """model: the ONNX file, or its content."""
        content = model if isinstance(model, bytes) else read_network(model, sha256)
        super().__init__(card)
        self._session: ort.InferenceSession | None = _session(content, threads)
        _check_shapes(self._session, card)

    @property
    def name(self) -> str:
        return f"onnxruntime {ort.__version__}"

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [batch, window_samples] -> probabilities float32 [batch, classes]."""
        session = self._session
        if session is None:
            raise closed()
        self._check(windows)
        if windows.shape[0] == 0:
            return np.zeros((0, len(self.classes)), dtype=np.float32)
        try:
            answer = session.run([OUTPUT], {INPUT: np.ascontiguousarray(windows, np.float32)})
        except Exception as error:  # ONNX Runtime's errors have no public base class
            raise EngineError(f"the model failed to run: {_line(error)}", ADVICE) from error
        return np.asarray(answer[0], dtype=np.float32)

    def close(self) -> None:
        # A `run` on its way holds the session until it is done.
        self._session = None


def read_network(model: Path, sha256: str | None) -> bytes:
    """A version's ONNX file. Raises EngineError when it cannot be read or has another hash."""
    try:
        content = model.read_bytes()
    except OSError as error:
        raise EngineError(f"{model} cannot be read: {error.strerror}", ADVICE) from error
    if sha256 is not None and hashlib.sha256(content).hexdigest() != sha256:
        raise EngineError(f"{model} was altered after the version was published", ADVICE)
    return content


def _session(content: bytes, threads: int) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = _ERRORS_ONLY
    # Measured: patterns are kept for each batch size and double the memory; without them the
    # arena costs none, and running without the arena is a tenth to a quarter slower.
    options.enable_mem_pattern = False
    # Threads that spin between two windows would burn the cores that training needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return ort.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no public base class
        raise EngineError(f"ONNX Runtime cannot load the model: {_line(error)}", ADVICE) from error


def _check_shapes(session: ort.InferenceSession, card: Card) -> None:
    inputs: dict[str, Any] = {item.name: item for item in session.get_inputs()}
    outputs: dict[str, Any] = {item.name: item for item in session.get_outputs()}
    if set(inputs) != {INPUT} or OUTPUT not in outputs:
        raise EngineError(
            f"the model has inputs {sorted(inputs)} and outputs {sorted(outputs)}, "
            f"not {INPUT} and {OUTPUT}",
            ADVICE,
        )
    for item, width in ((inputs[INPUT], card.window_samples), (outputs[OUTPUT], len(card.classes))):
        fixed_batch = len(item.shape) != 2 or isinstance(item.shape[0], int)
        if item.type != "tensor(float)" or fixed_batch or item.shape[1] not in (width, None):
            raise EngineError(
                f"the model's {item.name} is {item.type} {item.shape}, "
                f"the card says float [batch, {width}]",
                ADVICE,
            )


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:300]
