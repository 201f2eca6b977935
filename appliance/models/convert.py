"""A version's ONNX in another precision: fp16 and int8 for the backbone, fp32 for the front end.

The precision is written into the graph (casts, or QuantizeLinear and DequantizeLinear pairs), so
that every runtime does the same and none chooses by itself. The front end stays in fp32: a power
spectrum at full scale overflows in half precision, and the floor under its logarithm underflows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from appliance.errors import EngineError

INPUT = "waveform"
_WEIGHTED = ("Conv", "Gemm", "MatMul")
_CALIBRATION_BATCH = 8
_LARGEST_HALF = float(np.finfo(np.float16).max)
_ADVICE = "deploy with fp32"


def convert(
    model: onnx.ModelProto, precision: str, windows: NDArray[np.float32], *, on_cpu: bool
) -> onnx.ModelProto:
    """The same network in `precision`; `windows` float32 [n, samples] calibrate int8.

    on_cpu: quantise as ONNX Runtime's kernels want it, not as TensorRT does. Raises EngineError
    when its front end cannot be told from its backbone.
    """
    if precision == "fp32":
        return model
    if precision == "fp16":
        return to_fp16(model)
    return to_int8(model, windows, on_cpu=on_cpu)


def backbone_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes from the first layer with weights behind the front end's logarithm to the end.

    Raises EngineError when there is no such layer.
    """
    heard: set[str] = set()  # tensors made from the logarithm of the power
    learned: set[str] = set()  # tensors of the backbone
    found = []
    for node in model.graph.node:
        inputs = set(node.input)
        behind = bool(inputs & heard)
        if inputs & learned or (behind and node.op_type in _WEIGHTED):
            found.append(node)
            learned.update(node.output)
        elif behind or node.op_type == "Log":
            heard.update(node.output)
    if not found:
        raise EngineError("this network has no front end that could stay in fp32", _ADVICE)
    return found


def to_fp16(model: onnx.ModelProto) -> onnx.ModelProto:
    """The backbone in half precision; softmax, inputs and outputs stay float32."""
    made = onnx.ModelProto()
    made.CopyFrom(model)
    graph = made.graph
    inside = {
        name for node in backbone_nodes(made) if node.op_type != "Softmax" for name in node.output
    }
    outside = {item.name for item in graph.output}  # tensors that are read as float32
    for node in graph.node:
        if node.output[0] not in inside:
            outside.update(node.input)
    constants = {item.name: item for item in graph.initializer}
    added: dict[str, TensorProto] = {}
    cast: set[str] = set()
    nodes: list[onnx.NodeProto] = []

    def twin(name: str) -> str:
        """The half-precision twin of a float tensor; other tensors as they are."""
        half = f"{name}.half"
        constant = constants.get(name)
        if name == "" or (constant is not None and constant.data_type != TensorProto.FLOAT):
            return name
        if constant is not None and half not in added:
            added[half] = _half(constant, half)
        elif constant is None and name not in inside and name not in cast:
            cast.add(name)
            nodes.append(_cast(name, half, TensorProto.FLOAT16))
        return half

    for node in graph.node:
        if node.output[0] not in inside:
            nodes.append(node)
            continue
        turned = onnx.NodeProto()
        turned.CopyFrom(node)
        turned.input[:] = [twin(name) for name in node.input]
        turned.output[:] = [f"{name}.half" for name in node.output]
        nodes.append(turned)
        for name in node.output:
            if name in outside:
                nodes.append(_cast(f"{name}.half", name, TensorProto.FLOAT))
    return _rebuilt(made, nodes, added.values())


def to_int8(
    model: onnx.ModelProto, windows: NDArray[np.float32], *, on_cpu: bool
) -> onnx.ModelProto:
    """Weights and activations of the backbone's layers in int8, by explicit Q/DQ pairs.

    Weights symmetric and by channel; activations by the range that they have on `windows`:
    symmetric for TensorRT, which knows nothing else; on a CPU unsigned with a zero point, which
    takes the ReLU along. The last layer stays in fp32: it costs little, and every label hangs on
    it; so do sums and pools, where quantising cost accuracy and gained no time.
    """
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )

    if len(windows) == 0:
        raise EngineError("int8 needs sound to calibrate with, and there is none", _ADVICE)

    class Windows(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._batches: Iterator[NDArray[np.float32]] = (
                windows[i : i + _CALIBRATION_BATCH]
                for i in range(0, len(windows), _CALIBRATION_BATCH)
            )

        def get_next(self) -> dict[str, Any] | None:
            batch = next(self._batches, None)
            return None if batch is None else {INPUT: batch}

    named = onnx.ModelProto()
    named.CopyFrom(model)
    for number, node in enumerate(named.graph.node):
        node.name = node.name or f"node{number}"
    weighted = [node.name for node in backbone_nodes(named) if node.op_type in _WEIGHTED]
    spared = {weighted[-1]} if len(weighted) > 1 else set()
    with tempfile.TemporaryDirectory(prefix="earmark-int8-") as folder:
        source, target = Path(folder) / "fp32.onnx", Path(folder) / "int8.onnx"
        onnx.save(named, source)
        quantize_static(
            str(source),
            str(target),
            Windows(),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=list(_WEIGHTED),
            nodes_to_quantize=[name for name in weighted if name not in spared],
            per_channel=True,
            activation_type=QuantType.QUInt8 if on_cpu else QuantType.QInt8,
            weight_type=QuantType.QInt8,
            extra_options={
                "ActivationSymmetric": not on_cpu,
                "WeightSymmetric": True,
                "QuantizeBias": on_cpu,
            },
        )
        made: onnx.ModelProto = onnx.load(target)
    return made


def _cast(source: str, target: str, kind: int) -> onnx.NodeProto:
    return helper.make_node("Cast", [source], [target], name=f"{target}.cast", to=kind)


def _half(constant: TensorProto, name: str) -> TensorProto:
    values = numpy_helper.to_array(constant)
    if values.size and not np.abs(values).max() <= _LARGEST_HALF:
        raise EngineError(f"{constant.name} holds weights too large for half precision", _ADVICE)
    return numpy_helper.from_array(values.astype(np.float16), name)


def _copied(message: Any) -> Any:
    copy = type(message)()
    copy.CopyFrom(message)
    return copy


def _rebuilt(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], added: Iterable[TensorProto]
) -> onnx.ModelProto:
    """`model` with these nodes, and without the constants that none of them reads any more."""
    used = {name for node in nodes for name in node.input}
    kept = [_copied(item) for item in [*model.graph.initializer, *added] if item.name in used]
    nodes = [_copied(node) for node in nodes]  # clearing the graph would take them along
    del model.graph.node[:], model.graph.initializer[:], model.graph.value_info[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)
    onnx.checker.check_model(model, full_check=True)
    return model
