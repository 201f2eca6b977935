"""The engine, its certificate and `predict`, on a real network in ONNX Runtime."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import EngineError, InvalidInput
from appliance.models.card import read_card
from appliance.models.certificate import certify, read_reference
from appliance.models.engine import Engine, open_reference_engine
from appliance.models.onnx_engine import OnnxEngine
from appliance.models.predict import predict
from appliance.models.result import file_sha256
from tests.models import toy


@pytest.fixture
def engine(whole_result: Path) -> Engine:
    return open_reference_engine(whole_result, file_sha256(whole_result / "model.onnx"))


@pytest.mark.parametrize("batch", [1, 2, 7, 64])
def test_it_says_what_the_network_says(engine: Engine, batch: int) -> None:
    windows = np.resize(toy.reference_windows(), (batch, toy.WINDOW))
    answer = engine.run(windows)
    assert answer.dtype == np.float32
    assert answer.shape == (batch, 3)
    assert np.allclose(answer, toy.answers(toy.model(), windows), atol=1e-6)
    assert np.allclose(answer.sum(axis=1), 1, atol=1e-5)


def test_what_it_says_of_itself(engine: Engine) -> None:
    assert engine.classes == tuple(toy.CLASSES)
    assert (engine.sample_rate, engine.window_samples, engine.hop_samples) == (16_000, 4_000, 2_000)
    assert engine.name.startswith("onnxruntime 1.")


def test_no_windows_no_answers(engine: Engine) -> None:
    assert engine.run(np.zeros((0, toy.WINDOW), np.float32)).shape == (0, 3)


def test_strided_and_double_windows_are_understood(engine: Engine) -> None:
    windows = toy.reference_windows(4)
    doubled = np.repeat(windows, 2, axis=0)[::2].astype(np.float64)
    assert np.allclose(engine.run(doubled), engine.run(windows))  # type: ignore[arg-type]


@pytest.mark.parametrize("shape", [(4_000,), (1, 3_999), (1, 1, 4_000)])
def test_windows_of_another_shape_are_refused(engine: Engine, shape: tuple[int, ...]) -> None:
    with pytest.raises(EngineError, match="shape"):
        engine.run(np.zeros(shape, np.float32))


def test_a_closed_engine_says_so(engine: Engine) -> None:
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run(np.zeros((1, toy.WINDOW), np.float32))


def test_an_altered_network_is_refused(tmp_path: Path) -> None:
    folder = toy.write_result(tmp_path / "result")
    known = file_sha256(folder / "model.onnx")
    content = bytearray((folder / "model.onnx").read_bytes())
    content[-20] ^= 1
    (folder / "model.onnx").write_bytes(content)
    with pytest.raises(EngineError, match="altered"):
        open_reference_engine(folder, known)


def test_a_network_that_is_not_what_its_card_says(tmp_path: Path) -> None:
    folder = toy.write_result(tmp_path / "result", made=toy.model(classes=4))
    with pytest.raises(EngineError, match="probabilities"):
        open_reference_engine(folder)
    (folder / "model.onnx").write_bytes(b"no network")
    with pytest.raises(EngineError, match="cannot load"):
        open_reference_engine(folder)
    (folder / "model.onnx").unlink()
    with pytest.raises(EngineError, match="cannot be read"):
        open_reference_engine(folder)


def test_the_certificate_of_a_faithful_engine(engine: Engine, whole_result: Path) -> None:
    certificate = certify(engine, whole_result / "reference.npz", "fp32")
    assert certificate.passed
    assert certificate.windows == 24
    assert certificate.agreement == 1.0
    assert certificate.largest_difference < 1e-5
    assert 0 < certificate.latency_median_ms <= certificate.latency_p99_ms


def test_the_certificate_of_a_tampered_network(tmp_path: Path) -> None:
    """Another gain on one class: some windows get another label, and it shows."""
    reference = toy.answers(toy.model(), toy.reference_windows())
    folder = toy.write_result(tmp_path / "r", made=toy.model(gain=2.5), reference=reference)
    certificate = certify(open_reference_engine(folder), folder / "reference.npz", "fp32")
    assert not certificate.passed
    assert certificate.agreement < 1
    assert certificate.largest_difference > 1e-3
    assert f"{certificate.largest_difference:.2g}" in certificate.sentence()


def test_a_small_difference_with_the_same_labels_is_refused_too(tmp_path: Path) -> None:
    reference = toy.answers(toy.model(), toy.reference_windows())
    folder = toy.write_result(tmp_path / "r", made=toy.model(gain=1.02), reference=reference)
    certificate = certify(open_reference_engine(folder), folder / "reference.npz", "fp32")
    assert certificate.agreement == 1.0
    assert certificate.largest_difference > certificate.allowed_difference
    assert not certificate.passed


def test_a_network_that_answers_nan_is_refused(tmp_path: Path) -> None:
    reference = toy.answers(toy.model(), toy.reference_windows())
    folder = toy.write_result(
        tmp_path / "r", made=toy.model(gain=float("nan")), reference=reference
    )
    certificate = certify(open_reference_engine(folder), folder / "reference.npz", "fp32")
    assert not certificate.passed
    assert certificate.agreement == 0


def test_a_reference_that_cannot_be_read(tmp_path: Path, engine: Engine) -> None:
    file = tmp_path / "reference.npz"
    with pytest.raises(EngineError, match="cannot be read"):
        read_reference(file)
    file.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(EngineError, match="cannot be read"):
        read_reference(file)
    with file.open("wb") as npy:
        np.save(npy, np.zeros(3))
    with pytest.raises(EngineError, match="cannot be read"):
        read_reference(file)
    np.savez(file, windows=np.array([{"a": 1}], dtype=object), probabilities=np.zeros((1, 3)))
    with pytest.raises(EngineError, match="cannot be read"):
        read_reference(file)
    np.savez(file, windows=np.zeros((2, 4_000)), probabilities=np.zeros((3, 3)))
    with pytest.raises(EngineError, match="holds"):
        read_reference(file)
    np.savez(file, windows=np.zeros((2, 4_000), "f4"), probabilities=np.zeros((2, 5), "f4"))
    with pytest.raises(EngineError, match="5 classes"):
        certify(engine, file, "fp32")


@pytest.mark.parametrize("rate", [16_000, 44_100, 8_000])
def test_predict_at_any_rate(engine: Engine, rate: int) -> None:
    low = predict(engine, toy.tone(toy.LOW_HZ, 1.0, rate), rate)
    high = predict(engine, toy.tone(toy.HIGH_HZ, 1.0, rate), rate)
    assert (low.label, high.label) == ("low", "high")
    assert list(low.scores) == sorted(toy.CLASSES, key=lambda name: -low.scores[name])
    assert sum(low.scores.values()) == pytest.approx(1, abs=1e-5)
    assert low.score == max(low.scores.values())


def test_predict_tells_where_in_the_recording(engine: Engine) -> None:
    quiet = np.zeros(16_000, np.float32)
    sound = np.concatenate([quiet, toy.tone(toy.HIGH_HZ, 1.0), quiet])[:-100]
    answer = predict(engine, sound, 16_000)
    starts = [window["start_s"] for window in answer.windows]
    assert starts == sorted(starts)
    assert starts[0] == 0
    assert starts[1] - starts[0] == pytest.approx(0.125)
    assert starts[-1] == pytest.approx((sound.size - toy.WINDOW) / 16_000)
    tops = {window["start_s"]: window["top"][0]["label"] for window in answer.windows}
    assert tops[0.5] == "background"
    assert tops[1.5] == "high"
    assert answer.label == "high", "loud windows weigh more"


def test_predict_of_little_and_of_nothing(engine: Engine) -> None:
    answer = predict(engine, toy.tone(toy.LOW_HZ, 0.05), 16_000)
    assert [window["start_s"] for window in answer.windows] == [0.0]
    with pytest.raises(InvalidInput, match="no sound"):
        predict(engine, np.zeros(0, np.float32), 16_000)
    with pytest.raises(InvalidInput, match="finite"):
        predict(engine, np.array([0, np.nan], np.float32), 16_000)


def test_the_daemon_does_not_import_what_only_others_need() -> None:
    """Neither torch nor the onnx package: the network is checked in a child."""
    code = (
        "import sys, appliance.models.deploy, appliance.models.archive, appliance.jobs.runner,"
        " appliance.models.predict\n"
        "print([name for name in ('torch', 'torchaudio', 'onnx', 'PIL') if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert answer.stdout.decode().strip() == "[]"


def test_the_engine_reads_its_card_strictly(tmp_path: Path) -> None:
    folder = toy.write_result(tmp_path / "r", card_changes={"window_samples": 5_000})
    with pytest.raises(EngineError, match="waveform"):
        OnnxEngine(folder / "model.onnx", read_card(folder / "card.json"))
