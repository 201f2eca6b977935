"""Is a foreign version safe to run? Asked in a child process with little memory and time.

`python -m appliance.models.inspection FOLDER` prints `{"problem": null}` or what is wrong. A
network that crashes its parser takes that child along, never the daemon.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from appliance.errors import EarmarkError, InvalidInput

_NAMES = """
    Abs Add AveragePool BatchNormalization Cast Ceil Clip Concat Constant ConstantOfShape Conv
    DequantizeLinear Div Elu Equal Erf Exp Expand Flatten Floor Gather Gelu Gemm GlobalAveragePool
    GlobalMaxPool Greater GreaterOrEqual HardSigmoid HardSwish Identity InstanceNormalization
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax MatMul Max MaxPool Mean Min Mul
    Neg Not Pad Pow QuantizeLinear Range Reciprocal ReduceL1 ReduceL2 ReduceLogSumExp ReduceMax
    ReduceMean ReduceMin ReduceSum ReduceSumSquare Relu Reshape Selu Shape Sigmoid Sign Slice
    Softmax Softplus Split Sqrt Squeeze Sub Sum Tanh Tile TopK Transpose Unsqueeze Where
"""
OPERATORS = frozenset(_NAMES.split())
"""What a network may be made of: arithmetic without loops, branches, files or foreign code."""

MOST_NODES = 5_000
OLDEST_OPSET = 13
MEMORY = 4 << 30
CPU_SECONDS = 60
WALL_SECONDS = 120
LARGEST_REFERENCE = 128 << 20
_ADVICE = "only versions that Earmark exported can be imported"


def inspect_version(folder: Path) -> None:
    """Inspect the files of a version in a child. Raises InvalidInput saying what is wrong."""
    command = [sys.executable, "-m", "appliance.models.inspection", str(folder)]
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "PYTHONPATH") if name in os.environ}
    try:
        child = subprocess.run(
            command,
            capture_output=True,
            cwd="/",
            env={**kept, "OMP_NUM_THREADS": "1"},
            timeout=WALL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise InvalidInput("the version took too long to inspect", _ADVICE) from None
    try:
        problem = json.loads(child.stdout)["problem"]
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(
            f"the version could not be inspected (status {child.returncode})", _ADVICE
        ) from None
    if problem is not None:
        raise InvalidInput(f"the version is refused: {str(problem)[:500]}", _ADVICE)


def check_network(path: Path) -> None:
    """Look at a network without running it. Raises InvalidInput."""
    import onnx

    try:
        model = onnx.load_model(path, load_external_data=False)
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # protobuf and the checker have many
        raise InvalidInput(f"model.onnx is not valid: {str(error)[:300]}") from None
    if model.functions or model.training_info:
        raise InvalidInput("model.onnx brings functions of its own")
    for opset in model.opset_import:
        if opset.domain not in ("", "ai.onnx") or opset.version < OLDEST_OPSET:
            raise InvalidInput(f"model.onnx needs {opset.domain or 'opset'} {opset.version}")
    if len(model.graph.node) > MOST_NODES:
        raise InvalidInput(f"model.onnx has {len(model.graph.node)} nodes")
    if len(model.graph.sparse_initializer):
        raise InvalidInput("model.onnx has sparse weights")
    tensors = list(model.graph.initializer)
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in OPERATORS:
            raise InvalidInput(f"model.onnx uses {node.domain} {node.op_type}".replace("  ", " "))
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise InvalidInput(f"model.onnx has a graph inside {node.op_type}")
            tensors += [*([attribute.t] if attribute.HasField("t") else []), *attribute.tensors]
    for tensor in tensors:
        if tensor.external_data or tensor.data_location != onnx.TensorProto.DEFAULT:
            raise InvalidInput(f"model.onnx keeps {tensor.name[:80]!r} in another file")


def check_reference(path: Path) -> None:
    """Is reference.npz as small as it claims? It is unpacked in memory."""
    with zipfile.ZipFile(path) as archive:
        names = sorted(entry.filename for entry in archive.infolist())
        size = sum(entry.file_size for entry in archive.infolist())
    if not {"probabilities.npy", "windows.npy"} <= set(names) or len(names) > 8:
        raise InvalidInput(f"reference.npz holds {names[:8]}")
    if size > LARGEST_REFERENCE:
        raise InvalidInput(f"reference.npz unpacks to {size} bytes")


def check_weights(path: Path) -> None:
    """Does model.safetensors hold tensors and nothing else?"""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as weights:
            names = list(weights.keys())
    except SafetensorError as error:
        raise InvalidInput(f"model.safetensors is not valid: {error}") from None
    if not names:
        raise InvalidInput("model.safetensors is empty")


def check_behaviour(folder: Path) -> None:
    """Run it: shapes as the card says, probabilities, and the answers of its own training."""
    from appliance.models.card import read_card, read_evaluation
    from appliance.models.certificate import certify
    from appliance.models.onnx_engine import OnnxEngine

    card = read_card(folder / "card.json")
    read_evaluation(folder / "evaluation.json")
    engine = OnnxEngine(folder / "model.onnx", card)
    random = np.random.default_rng(0)
    for batch in (1, 3):
        windows = random.normal(0, 0.1, (batch, card.window_samples)).astype(np.float32)
        answer = engine.run(windows)
        if answer.shape != (batch, len(card.classes)):
            raise InvalidInput(f"the network answers {answer.shape} for {batch} windows")
        # Of a sound that is unlike what was taught they add up to less than 1.
        proper = np.isfinite(answer).all() and (answer >= 0).all()
        if not proper or (answer.sum(axis=1) > 1 + 1e-3).any():
            raise InvalidInput("the network's answers are no probabilities")
    certificate = certify(engine, folder / "reference.npz", "fp32", timed=False)
    if not certificate.passed:
        raise InvalidInput(f"it does not say what was trained: {certificate.sentence()}")


def _problem(folder: Path) -> str | None:
    try:
        check_network(folder / "model.onnx")
        check_weights(folder / "model.safetensors")
        check_reference(folder / "reference.npz")
        check_behaviour(folder)
    except EarmarkError as error:
        return str(error)
    except (zipfile.BadZipFile, OSError, ValueError, MemoryError) as error:
        return f"{type(error).__name__}: {error}"
    return None


def main(arguments: list[str]) -> None:
    limits: dict[int, Any] = {
        resource.RLIMIT_AS: MEMORY,
        resource.RLIMIT_CPU: CPU_SECONDS,
        resource.RLIMIT_FSIZE: 0,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: 64,
    }
    for which, most in limits.items():
        with contextlib.suppress(ValueError):  # already tighter than that
            resource.setrlimit(which, (most, most))
    json.dump({"problem": _problem(Path(arguments[0]))}, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1:])
