"""A small real version that hears tones: one logit a label from the power in its band.

Any labels, rate and window, so that a hot swap can change all three.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

from tests.models import toy

LOW_HZ, MID_HZ, HIGH_HZ = 500.0, 1_200.0, 3_000.0
KERNEL = 256
# A tone of amplitude 0.3 that fills a hundredth of the window is as likely as the background.
FAINTEST = 0.01 * 0.15**2


def tone_model(labels: Mapping[str, float], rate: int, window: int) -> onnx.ModelProto:
    """Probabilities of "background" and of each label, whose tone has that frequency (Hz)."""
    phase = 2 * np.pi * np.arange(KERNEL) / rate
    taper = np.hanning(KERNEL)
    rows = [
        taper * wave(hz * phase) / taper.sum()
        for hz in labels.values()
        for wave in (np.cos, np.sin)
    ]
    weights = np.zeros((len(rows), len(labels) + 1), dtype=np.float32)
    for index in range(len(labels)):
        weights[2 * index : 2 * index + 2, index + 1] = 1.0
    nodes = [
        helper.make_node("Unsqueeze", ["waveform", "one"], ["signal"]),
        helper.make_node("Conv", ["signal", "kernels"], ["bands"], strides=[64]),
        helper.make_node("Mul", ["bands", "bands"], ["power"]),
        helper.make_node("ReduceMean", ["power", "two"], ["mean"], keepdims=0),
        helper.make_node("MatMul", ["mean", "weights"], ["energy"]),
        helper.make_node("Add", ["energy", "floor"], ["raised"]),
        helper.make_node("Log", ["raised"], ["level"]),
        helper.make_node("Mul", ["level", "slope"], ["steep"]),
        helper.make_node("Add", ["steep", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    floor = np.full(len(labels) + 1, 1e-9, dtype=np.float32)
    floor[0] = FAINTEST
    slope = 2.0
    constants = {
        "one": np.array([1], dtype=np.int64),
        "two": np.array([2], dtype=np.int64),
        "kernels": np.stack(rows)[:, None].astype(np.float32),
        "weights": weights,
        "floor": floor,
        "slope": np.array(slope, dtype=np.float32),
        "bias": np.array(0.0, dtype=np.float32),
    }
    graph = helper.make_graph(
        nodes,
        "tones",
        [helper.make_tensor_value_info("waveform", TensorProto.FLOAT, ["batch", window])],
        [
            helper.make_tensor_value_info(
                "probabilities", TensorProto.FLOAT, ["batch", len(labels) + 1]
            )
        ],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])
    made.ir_version = 9
    return made


def write_version(
    folder: Path, labels: Mapping[str, float], *, rate: int = 16_000, window_s: float = 1.0
) -> Path:
    """A whole result as a training leaves it, in `folder`."""
    folder.mkdir(parents=True)
    window = round(window_s * rate)
    made = tone_model(labels, rate, window)
    onnx.save(made, folder / "model.onnx")
    save_file({"none": np.zeros(1, np.float32)}, folder / "model.safetensors")
    card = toy.card(
        classes=["background", *labels],
        sample_rate=rate,
        window_samples=window,
        hop_samples=window // 4,
    )
    (folder / "card.json").write_text(json.dumps(card))
    (folder / "evaluation.json").write_text(json.dumps(toy.evaluation()))
    rng = np.random.default_rng(0)
    windows = (0.01 * rng.standard_normal((6, window))).astype(np.float32)
    session = onnxruntime.InferenceSession(made.SerializeToString())
    answers = session.run(["probabilities"], {"waveform": windows})[0]
    np.savez(folder / "reference.npz", windows=windows, probabilities=answers)
    toy.seal(folder)
    return folder


def scene(
    seconds: float, sounds: list[tuple[float, float, float]], rate: int = 16_000, seed: int = 11
) -> np.ndarray:
    """Quiet noise with tones in it, each (start in s, length in s, Hz), faded in over 5 ms."""
    rng = np.random.default_rng(seed)
    samples = 0.001 * rng.standard_normal(round(seconds * rate))
    for start, length, hz in sounds:
        time = np.arange(round(length * rate)) / rate
        fade = np.minimum(1.0, np.minimum(time, length - time) / 0.005)
        at = round(start * rate)
        samples[at : at + len(time)] += 0.3 * fade * np.sin(2 * np.pi * hz * time)
    return samples.astype(np.float32)
