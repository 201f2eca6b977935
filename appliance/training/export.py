"""The ONNX that is deployed: waveform in, probabilities out.

The graph is written node by node. The network has a dozen kinds of nodes, all of which ONNX
Runtime and every TensorRT since 8 parse; torch's exporter would take ten seconds of a job that
was cancelled and has twenty, and its graph changes with its version. Every file is compared with
torch before it is published, and the tests compare it with torch's exporter.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from appliance.errors import TrainingError
from appliance.training.familiarity import CONCENTRATION, Familiarity
from appliance.training.features import (
    CENTRE,
    DYNAMIC_RANGE,
    POWER_FLOOR,
    REFERENCE_FLOOR,
    SPREAD,
    FrontEnd,
)
from appliance.training.network import Backbone, DeployedNetwork, fold_normalisation

OPSET = 18
IR_VERSION = 8  # what ONNX Runtime 1.14 and TensorRT 8.6 read already
TOLERANCE = 1e-4
INPUT, OUTPUT, EMBEDDING = "waveform", "probabilities", "embedding"


def deployed_network(
    backbone: Backbone,
    shape: FrontEnd,
    temperature: float = 1.0,
    familiarity: Familiarity | None = None,
) -> DeployedNetwork:
    """A copy on the CPU in fp32, normalisation folded, the temperature put into the head."""
    folded = copy.deepcopy(backbone).to("cpu").float().eval().requires_grad_(False)
    folded = folded.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    fold_normalisation(folded)
    folded.head.weight.div_(temperature)
    folded.head.bias.div_(temperature)
    return DeployedNetwork(shape, folded, familiarity).eval()


class _Graph:
    """Nodes and constants in the order in which they are added."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[TensorProto] = []

    def constant(self, name: str, value: Tensor | NDArray[np.generic]) -> str:
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def scalar(self, name: str, value: float) -> str:
        return self.constant(name, np.array(value, dtype=np.float32))

    def axes(self, name: str, *values: int) -> str:
        return self.constant(name, np.array(values, dtype=np.int64))

    def add(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        node = helper.make_node(kind, list(inputs), [output], name=output, **attributes)
        self.nodes.append(node)
        return output

    def convolution(self, source: str, layer: nn.Conv2d, name: str) -> str:
        padding = [int(size) for size in layer.padding]
        inputs = [source, self.constant(f"{name}.weight", layer.weight)]
        if layer.bias is not None:
            inputs.append(self.constant(f"{name}.bias", layer.bias))
        return self.add(
            "Conv",
            inputs,
            name,
            kernel_shape=list(layer.kernel_size),
            strides=list(layer.stride),
            pads=padding * 2,
        )


def write_onnx(network: DeployedNetwork, path: Path) -> None:
    """Write the network of `deployed_network` as one ONNX file with a dynamic batch."""
    graph = _Graph()
    spectrum = _front_end(graph, network)
    embedding = _backbone(graph, network.backbone, spectrum)
    head = network.backbone.head
    weights = [graph.constant("head.weight", head.weight), graph.constant("head.bias", head.bias)]
    logits = graph.add("Gemm", [embedding, *weights], "logits", transB=1)
    familiarity = network.familiarity
    if isinstance(familiarity, Familiarity):
        softmax = graph.add("Softmax", [logits], "softmax", axis=1)
        graph.add("Mul", [softmax, _familiar(graph, familiarity, embedding)], OUTPUT)
    else:
        graph.add("Softmax", [logits], OUTPUT, axis=1)
    float32 = TensorProto.FLOAT
    window = network.shape.window_samples
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            "earmark",
            [helper.make_tensor_value_info(INPUT, float32, ["batch", window])],
            [
                helper.make_tensor_value_info(OUTPUT, float32, ["batch", head.out_features]),
                helper.make_tensor_value_info(EMBEDDING, float32, ["batch", head.in_features]),
            ],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="earmark",
    )
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def _front_end(graph: _Graph, network: DeployedNetwork) -> str:
    """LogMel and LevelNorm of features.py: [batch, 1, mels, frames]."""
    shape, log_mel = network.shape, network.log_mel
    wave = graph.add("Unsqueeze", [INPUT, graph.axes("axis_channel", 1)], "wave")
    kernels = graph.constant("dft.kernels", log_mel.kernels)
    spectrum = graph.add(
        "Conv", [wave, kernels], "spectrum", kernel_shape=[shape.fft], strides=[shape.hop]
    )
    squares = graph.add("Mul", [spectrum, spectrum], "squares")
    power = graph.add("MatMul", [graph.constant("mel.filters", log_mel.filters), squares], "power")
    audible = graph.add("Max", [power, graph.scalar("power_floor", POWER_FLOOR)], "audible")
    level = graph.add("Log", [audible], "log_power")
    linear = graph.add("Exp", [level], "linear")
    frames = graph.add("ReduceSum", [linear, graph.axes("axis_mels", 1)], "frame_power")
    loudest = graph.add("ReduceMax", [frames, graph.axes("axis_frames", 2)], "loudest")
    reference = graph.add("Log", [loudest], "log_loudest")
    floor = graph.scalar("reference_floor", REFERENCE_FLOOR)
    reference = graph.add("Max", [reference, floor], "reference")
    relative = graph.add("Sub", [level, reference], "relative")
    limited = graph.add("Max", [relative, graph.scalar("range", DYNAMIC_RANGE)], "limited")
    centred = graph.add("Sub", [limited, graph.scalar("centre", CENTRE)], "centred")
    normal = graph.add("Div", [centred, graph.scalar("spread", SPREAD)], "normalised")
    return graph.add("Unsqueeze", [normal, graph.axes("axis_image", 1)], "image")


def _backbone(graph: _Graph, backbone: Backbone, image: str) -> str:
    """`Backbone.embed`: [batch, d]."""
    x = graph.add("Relu", [graph.convolution(image, backbone.stem.conv, "stem")], "stem.relu")
    for number, block in enumerate(backbone.residuals()):
        name = f"block{number}"
        inner = graph.convolution(x, block.first.conv, f"{name}.first")
        inner = graph.add("Relu", [inner], f"{name}.first.relu")
        inner = graph.convolution(inner, block.second.conv, f"{name}.second")
        pooled = graph.add("AveragePool", [x], f"{name}.pool", kernel_shape=[2, 2], strides=[2, 2])
        short = graph.convolution(pooled, block.shortcut.conv, f"{name}.shortcut")
        x = graph.add("Relu", [graph.add("Add", [inner, short], f"{name}.sum")], name)
    bands = graph.axes("axis_bands", 2)
    line = graph.add("ReduceMean", [x, bands], "line", keepdims=0)
    mean = graph.add("ReduceMean", [line, bands], "mean", keepdims=0)
    peak = graph.add("ReduceMax", [line, bands], "peak", keepdims=0)
    return graph.add("Add", [mean, peak], EMBEDDING)


def _familiar(graph: _Graph, familiarity: Familiarity, embedding: str) -> str:
    """`Familiarity.forward`: [batch, 1]."""
    axis, scale = graph.axes("axis_embedding", 1), familiarity.scale
    squares = graph.add("Mul", [embedding, embedding], "embedding.squares")
    length = graph.add("ReduceSum", [squares, axis], "embedding.power")
    length = graph.add("Sqrt", [length], "embedding.root")
    length = graph.add("Max", [length, graph.scalar("shortest", 1e-6)], "embedding.length")
    unit = graph.add("Div", [embedding, length], "embedding.unit")
    kernels = graph.constant("examples", (familiarity.examples * CONCENTRATION).T.contiguous())
    near = graph.add("MatMul", [unit, kernels], "kernels")
    near = graph.add("Sub", [near, graph.scalar("concentration", CONCENTRATION)], "exponents")
    near = graph.add("Exp", [near], "nearness")
    near = graph.add("ReduceMean", [near, axis], "mean_nearness")
    near = graph.add("Max", [near, graph.scalar("farthest", 1e-12)], "audible_nearness")
    near = graph.add("Log", [near], "density")
    near = graph.add(
        "Sub", [near, graph.scalar("familiar.middle", scale.middle)], "centred_density"
    )
    near = graph.add("Div", [near, graph.scalar("familiar.width", scale.width)], "scaled_density")
    return graph.add("Sigmoid", [near], "familiarity")


def compare(
    path: Path, network: DeployedNetwork, windows: NDArray[np.float32]
) -> tuple[NDArray[np.float32], float]:
    """(torch's probabilities [k, classes], largest difference to ONNX Runtime).

    Raises TrainingError when they differ by more than `TOLERANCE`.
    """
    with torch.no_grad():
        expected: NDArray[np.float32] = network(torch.from_numpy(windows))[0].numpy()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    (found,) = session.run([OUTPUT], {INPUT: windows})
    difference = float(np.abs(found - expected).max())
    if not difference <= TOLERANCE:
        raise TrainingError(
            "crashed",
            f"the exported network differs from the trained one by {difference:.2g}",
            "this is a fault of Earmark or of ONNX Runtime: please report it",
        )
    return expected, difference
