"""A really trained network in every precision: converted, built by TensorRT's own builder, run."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from appliance.errors import EngineError
from appliance.models.card import read_card
from appliance.models.certificate import certify, read_reference
from appliance.models.convert import backbone_nodes, convert
from appliance.models.inspection import inspect_version
from appliance.models.onnx_engine import OnnxEngine
from appliance.models.tensorrt_engine import (
    MOST_BATCH,
    build,
    configure,
    logger_of,
    parse,
    use_timing_cache,
)
from tests.models import toy

PRECISIONS = ("fp32", "fp16", "int8")


@pytest.fixture(scope="session")
def rtx() -> Any:
    """NVIDIA's library whose parser and builder need no GPU."""
    return pytest.importorskip("tensorrt_rtx")


def converted(result: Path, precision: str, *, on_cpu: bool) -> onnx.ModelProto:
    windows = read_reference(result / "reference.npz").calibration
    return convert(onnx.load(result / "model.onnx"), precision, windows, on_cpu=on_cpu)


@pytest.fixture(scope="session")
def networks(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The trained network in each precision, as TensorRT gets it."""
    folder = tmp_path_factory.mktemp("networks")
    files = {}
    for precision in PRECISIONS:
        files[precision] = folder / f"{precision}.onnx"
        onnx.save(converted(trained, precision, on_cpu=False), files[precision])
    return files


def test_the_reference_of_a_training(trained: Path) -> None:
    """Labels for the accuracy, and calibration windows that are not those of the reference."""
    reference = read_reference(trained / "reference.npz")
    assert reference.labels is not None
    assert len(reference.labels) == len(reference.windows) == 9, "the held-out clips"
    assert reference.calibration.shape == (15, reference.windows.shape[1])
    assert np.abs(reference.calibration).max() <= 1
    assert np.abs(reference.calibration).max() > 0.1
    known = {window.tobytes() for window in np.round(reference.windows * 32768).astype(np.int16)}
    fresh = np.round(reference.calibration * 32768).astype(np.int16)
    assert not known & {window.tobytes() for window in fresh}


def test_another_box_takes_in_what_was_trained(trained: Path) -> None:
    inspect_version(trained)


@pytest.mark.parametrize("on_cpu", [True, False])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_every_precision_says_what_was_trained(trained: Path, precision: str, on_cpu: bool) -> None:
    model = converted(trained, precision, on_cpu=on_cpu)
    card = read_card(trained / "card.json")
    engine = OnnxEngine(model.SerializeToString(), card)
    certificate = certify(engine, trained / "reference.npz", precision, timed=False)
    assert certificate.passed, certificate.sentence()
    assert certificate.reference_accuracy is not None
    assert certificate.accuracy == certificate.reference_accuracy
    other = precision != "fp32"
    assert (certificate.largest_difference > 1e-6) == other, "it really is another precision"


def test_the_front_end_stays_in_fp32(trained: Path) -> None:
    original = onnx.load(trained / "model.onnx")
    inside = {node.output[0] for node in backbone_nodes(original)}
    assert "stem" in inside
    assert not inside & {"spectrum", "power", "log_power", "normalised", "image"}
    halves = converted(trained, "fp16", on_cpu=False)
    kinds = {item.name: item.data_type for item in halves.graph.initializer}
    assert kinds["dft.kernels"] == kinds["mel.filters"] == onnx.TensorProto.FLOAT
    assert kinds["stem.weight.half"] == onnx.TensorProto.FLOAT16
    assert "stem.weight" not in kinds, "no weight is kept twice"
    pairs = converted(trained, "int8", on_cpu=False)
    quantised = [n.input[0] for n in pairs.graph.node if n.op_type == "QuantizeLinear"]
    assert quantised
    assert not {"waveform", "wave", "spectrum"} & set(quantised)


def test_a_loud_sound_does_not_overflow_in_half_precision(trained: Path) -> None:
    card = read_card(trained / "card.json")
    loud = np.stack([np.ones(card.window_samples), np.zeros(card.window_samples)])
    square = np.sign(np.sin(np.arange(card.window_samples) * 0.3))
    windows = np.concatenate([loud, square[None]]).astype(np.float32)
    answers = [
        OnnxEngine(converted(trained, p, on_cpu=True).SerializeToString(), card).run(windows)
        for p in ("fp32", "fp16")
    ]
    assert np.isfinite(answers[1]).all()
    assert np.abs(answers[0] - answers[1]).max() < 0.01


def test_a_network_without_a_front_end_keeps_its_precision() -> None:
    model = toy.model()
    for node in model.graph.node:
        if node.op_type == "Log":
            node.op_type = "Sqrt"
    with pytest.raises(EngineError, match="front end"):
        convert(model, "fp16", toy.reference_windows(), on_cpu=True)
    with pytest.raises(EngineError, match="calibrate"):
        convert(toy.model(), "int8", toy.reference_windows()[:0], on_cpu=True)


# --- TensorRT's parser and builder ---------------------------------------------------------------


@pytest.mark.parametrize("precision", PRECISIONS)
def test_the_types_that_tensorrt_sees(
    rtx: Any, networks: dict[str, Path], trained: Path, precision: str
) -> None:
    logger = logger_of(rtx)
    window = read_card(trained / "card.json").window_samples
    builder, network, parser = parse(rtx, logger, networks[precision])
    assert list(network.get_input(0).shape) == [-1, window], "a dynamic batch"
    outputs = {network.get_output(i).name for i in range(network.num_outputs)}
    assert "probabilities" in outputs
    for number in range(network.num_outputs):
        assert network.get_output(number).dtype == rtx.DataType.FLOAT
    layers = [network.get_layer(number) for number in range(network.num_layers)]
    kinds = Counter(layer.type for layer in layers)
    convolutions = {
        layer.name: layer.get_output(0).dtype
        for layer in layers
        if layer.type == rtx.LayerType.CONVOLUTION
    }
    front = {kind for name, kind in convolutions.items() if "spectrum" in name}
    backbone = {kind for name, kind in convolutions.items() if "spectrum" not in name}
    assert front == {rtx.DataType.FLOAT}
    assert backbone == {rtx.DataType.HALF if precision == "fp16" else rtx.DataType.FLOAT}
    assert len(convolutions) > 3
    pairs = kinds[rtx.LayerType.QUANTIZE]
    assert (pairs > 0) == (precision == "int8")
    assert kinds[rtx.LayerType.DEQUANTIZE] >= pairs
    for layer in layers:
        if layer.type == rtx.LayerType.QUANTIZE:
            assert layer.get_output(0).dtype == rtx.DataType.INT8
    config = configure(rtx, builder, window)
    assert not config.get_flag(rtx.BuilderFlag.TF32)
    assert config.max_aux_streams == 0
    del parser


@pytest.mark.parametrize("precision", PRECISIONS)
def test_tensorrt_builds_it(
    rtx: Any, networks: dict[str, Path], trained: Path, precision: str
) -> None:
    window = read_card(trained / "card.json").window_samples
    told: list[float] = []
    built = build(rtx, networks[precision], window, compute_capability="8.6", progress=told.append)
    assert len(built.plan) > 100_000
    assert told == sorted(told)
    assert 0.5 < told[-1] <= 1


def test_what_tensorrt_cannot_read_is_an_error_with_its_words(rtx: Any, tmp_path: Path) -> None:
    file = tmp_path / "bad.onnx"
    onnx.save(toy.model(operator="NoSuchOperator"), file)
    with pytest.raises(EngineError, match=r"cannot read the network: .*NoSuchOperator"):
        build(rtx, file, toy.WINDOW)
    file.write_bytes(b"no network")
    with pytest.raises(EngineError, match="cannot read"):
        build(rtx, file, toy.WINDOW)


def test_shapes_that_cannot_be_are_an_error(rtx: Any, networks: dict[str, Path]) -> None:
    with pytest.raises(EngineError):
        build(rtx, networks["fp32"], 100)
    assert MOST_BATCH >= 64


@pytest.mark.parametrize("known", [b"of this device", b"of another device", b"damaged"])
def test_a_timing_cache_that_does_not_fit_is_left(known: bytes) -> None:
    class Config:
        """As TensorRT's: None for damaged bytes, False for another device's."""

        used: bytes | None = None

        def create_timing_cache(self, content: bytes) -> bytes | None:
            return None if content == b"damaged" else content

        def set_timing_cache(self, cache: bytes, ignore_mismatch: bool) -> bool:
            if cache == b"of another device" and not ignore_mismatch:
                return False
            self.used = cache
            return True

    config = Config()
    use_timing_cache(config, known)
    assert config.used == (known if known == b"of this device" else b"")
