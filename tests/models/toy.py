"""A small real model: three kernels tell low tones, high tones and silence apart.

Everything about it is as a training leaves it: ONNX with a dynamic batch, weights, card,
evaluation, reference outputs, result.json with sizes and hashes.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

CLASSES = ["background", "high", "low"]
RATE = 16_000
WINDOW, HOP = 4_000, 2_000
KERNEL = 256
LOW_HZ, HIGH_HZ = 500.0, 3_000.0


def tone(hz: float, seconds: float = 1.0, rate: int = RATE) -> NDArray[np.float32]:
    return (0.3 * np.sin(2 * np.pi * hz * np.arange(int(seconds * rate)) / rate)).astype(np.float32)


def kernels() -> NDArray[np.float32]:
    """Cosine and sine at both frequencies: [4, 1, KERNEL]."""
    phase = 2 * np.pi * np.arange(KERNEL) / RATE
    rows = [wave(hz * phase) for hz in (HIGH_HZ, LOW_HZ) for wave in (np.cos, np.sin)]
    return (np.stack(rows)[:, None] / KERNEL).astype(np.float32)


def model(
    classes: int = 3, *, gain: float = 1.0, operator: str = "Softmax", window: int = WINDOW
) -> onnx.ModelProto:
    """power at each frequency -> log -> one logit a class -> softmax; `gain` tampers with it."""
    weights = np.zeros((4, classes), dtype=np.float32)
    weights[0:2, 1] = 0.3 * gain
    weights[2:4, 2] = 0.3
    bias = np.zeros(classes, dtype=np.float32)
    bias[1:3] = 5.0
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "one"], ["signal"]),
        helper.make_node("Conv", ["signal", "kernels"], ["bands"], strides=[61]),
        helper.make_node("Mul", ["bands", "bands"], ["power"]),
        helper.make_node("ReduceMean", ["power", "two"], ["mean"], keepdims=0),
        helper.make_node("Add", ["mean", "floor"], ["raised"]),
        helper.make_node("Log", ["raised"], ["level"]),
        helper.make_node("MatMul", ["level", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "bias"], ["logits"]),
        helper.make_node(operator, ["logits"], ["probabilities"]),
    ]
    constants = {
        "one": np.array([1], dtype=np.int64),
        "two": np.array([2], dtype=np.int64),
        "kernels": kernels(),
        "floor": np.array(1e-9, dtype=np.float32),
        "weights": weights,
        "bias": bias,
    }
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", window])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["batch", classes])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    return made


def reference_windows(count: int = 24) -> NDArray[np.float32]:
    random = np.random.default_rng(0)
    rows = []
    for i in range(count):
        hz = (LOW_HZ, HIGH_HZ, 0.0)[i % 3]
        rows.append(tone(hz, WINDOW / RATE) + random.normal(0, 0.001, WINDOW).astype(np.float32))
    return np.stack(rows).astype(np.float32)


def answers(made: onnx.ModelProto, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    session = onnxruntime.InferenceSession(made.SerializeToString())
    return np.asarray(session.run(["probabilities"], {"waveform": windows})[0])


def card(**changes: Any) -> dict[str, Any]:
    return {
        "format": 1,
        "classes": CLASSES,
        "sample_rate": RATE,
        "window_samples": WINDOW,
        "hop_samples": HOP,
        "parameters": 1039,
        "architecture": "toy",
        "train": {"steps": 1, "seed": 0},
        "torch": "none",
        "created": 0.0,
        **changes,
    }


def evaluation(**changes: Any) -> dict[str, Any]:
    return {
        "protocol": "cross-validation",
        "optimistic": False,
        "note": "",
        "clips": 30,
        "accuracy": 0.9,
        "balanced_accuracy": 0.88,
        "macro": {"precision": 0.9, "recall": 0.88, "f1": 0.89},
        "classes": [
            {"label": name, "precision": 0.9, "recall": 0.9, "f1": 0.9, "support": 10}
            for name in CLASSES
        ],
        "confusion": {"labels": CLASSES, "counts": [[9, 1, 0], [0, 8, 2], [0, 0, 10]]},
        "predictions": [],
        "curves": [
            {"step": i * 10, "elapsed_s": float(i), "loss": 1 / (i + 1), "accuracy": i / 20}
            for i in range(20)
        ],
        **changes,
    }


def write_result(
    folder: Path,
    *,
    stopped: str = "converged",
    made: onnx.ModelProto | None = None,
    reference: NDArray[np.float32] | None = None,
    card_changes: dict[str, Any] | None = None,
) -> Path:
    """A whole result in `folder`. `reference`: outputs to store instead of the model's own."""
    folder.mkdir(parents=True)
    network = made or model()
    onnx.save(network, folder / "model.onnx")
    save_file({"kernels": kernels()}, folder / "model.safetensors")
    (folder / "card.json").write_text(json.dumps(card(**(card_changes or {}))))
    (folder / "evaluation.json").write_text(json.dumps(evaluation()))
    windows = reference_windows()
    stored = answers(network, windows) if reference is None else reference
    np.savez(folder / "reference.npz", windows=windows, probabilities=stored)
    seal(folder, stopped)
    return folder


def seal(folder: Path, stopped: str = "converged") -> None:
    """(Re)write result.json for the files that are there."""
    files = {}
    for file in sorted(folder.iterdir()):
        if file.name != "result.json":
            content = file.read_bytes()
            files[file.name] = {"size": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    (folder / "result.json").write_text(json.dumps({"stopped": stopped, "files": files}))
