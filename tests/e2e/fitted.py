"""A small real version, fitted to real recordings in a second: band levels and ridge regression.

For tests of what happens with versions, where training one would take minutes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import soundfile
import soxr
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from appliance.audio.windows import cut_windows
from appliance.events import EventBus
from appliance.models.archive import export_version
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.models import toy

RATE, WINDOW, HOP = 16_000, 16_000, 4_000
KERNEL, STRIDE, BANDS = 512, 256, 24
SURE = 8.0


def _kernels() -> NDArray[np.float32]:
    """Cosine and sine at each band's centre: [2 * BANDS, 1, KERNEL]."""
    time = np.arange(KERNEL) / RATE
    taper = np.hanning(KERNEL)
    rows = [
        taper * wave(2 * np.pi * hz * time) / taper.sum()
        for hz in np.geomspace(100, 7_000, BANDS)
        for wave in (np.cos, np.sin)
    ]
    return np.stack(rows)[:, None].astype(np.float32)


def _model(weights: NDArray[np.float32], bias: NDArray[np.float32]) -> onnx.ModelProto:
    """waveform -> level in each band, its mean over time -> weights [BANDS, classes] -> softmax."""
    pairs = np.repeat(np.eye(BANDS, dtype=np.float32), 2, axis=0)
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "one"], ["signal"]),
        helper.make_node("Conv", ["signal", "kernels"], ["bands"], strides=[STRIDE]),
        helper.make_node("Mul", ["bands", "bands"], ["squared"]),
        helper.make_node("ReduceMean", ["squared", "two"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "pairs"], ["power"]),
        helper.make_node("Add", ["power", "floor"], ["raised"]),
        helper.make_node("Log", ["raised"], ["level"]),
        helper.make_node("MatMul", ["level", "weights"], ["weighted"]),
        helper.make_node("Add", ["weighted", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    constants = {
        "one": np.array([1], dtype=np.int64),
        "two": np.array([2], dtype=np.int64),
        "kernels": _kernels(),
        "pairs": pairs,
        "floor": np.full(BANDS, 1e-10, dtype=np.float32),
        "weights": weights,
        "bias": bias,
    }
    shape = ["batch", len(bias)]
    graph = helper.make_graph(
        nodes,
        "fitted",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", WINDOW])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, shape)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    return made


def _levels(windows: NDArray[np.float32]) -> NDArray[np.float64]:
    kernels = _kernels()[:, 0]
    frames = np.lib.stride_tricks.sliding_window_view(windows, KERNEL, axis=1)[:, ::STRIDE]
    power = np.square(frames @ kernels.T).mean(axis=1).reshape(len(windows), BANDS, 2).sum(axis=2)
    return np.log(power + 1e-10).astype(np.float64)


def _windows(file: Path) -> NDArray[np.float32]:
    samples, rate = soundfile.read(file, dtype="float32")
    return cut_windows(soxr.resample(samples, rate, RATE), WINDOW, HOP)


def fitted_archive(sounds: Mapping[str, Sequence[Path]], folder: Path) -> Path:
    """An archive, as `earmark version export` makes it, of a version that knows `sounds`."""
    classes = sorted(sounds)
    cut = [(label, _windows(file)) for label, files in sounds.items() for file in files]
    windows = np.concatenate([one for _, one in cut])
    wanted = np.concatenate([np.full(len(one), classes.index(label)) for label, one in cut])
    levels = _levels(windows)
    mean, spread = levels.mean(axis=0), levels.std(axis=0)
    scaled = np.hstack([(levels - mean) / spread, np.ones((len(levels), 1))])
    ridge = np.eye(BANDS + 1)
    solved = np.linalg.solve(scaled.T @ scaled + ridge, scaled.T @ np.eye(len(classes))[wanted])
    weights = SURE * solved[:-1] / spread[:, None]
    bias = SURE * solved[-1] - mean @ weights
    network = _model(weights.astype(np.float32), bias.astype(np.float32))

    data = DataFolder(folder / "fitted")
    data.create()
    result = data.jobs / "result"
    result.mkdir()
    onnx.save(network, result / "model.onnx")
    save_file({"weights": weights.astype(np.float32)}, result / "model.safetensors")
    shape = {"sample_rate": RATE, "window_samples": WINDOW, "hop_samples": HOP}
    (result / "card.json").write_text(json.dumps(toy.card(classes=classes, **shape)))
    (result / "evaluation.json").write_text(json.dumps(toy.evaluation()))
    session = onnxruntime.InferenceSession(network.SerializeToString())
    answers = session.run(["probabilities"], {"waveform": windows[:24]})[0]
    np.savez(result / "reference.npz", windows=windows[:24], probabilities=answers)
    toy.seal(result)
    db = Database(data.database)
    try:
        versions = Versions(db, data, EventBus())
        facts = {"job": None, "dataset_version": None, "parent": None}
        made = versions.publish(result, stopped="converged", seconds=1.0, **facts)  # type: ignore[arg-type]
        export_version(versions, made.name, folder / "fitted.zip")
    finally:
        db.close()
    return folder / "fitted.zip"
