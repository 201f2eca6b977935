"""The front end is torchaudio's mel spectrogram, in torch and in ONNX Runtime."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import soundfile
import torch
import torchaudio

from appliance.training.export import deployed_network, write_onnx
from appliance.training.features import FrontEnd, LevelNorm, LogMel
from appliance.training.network import Backbone
from tests.training.job_folder import Clip

SHAPES = (FrontEnd(), FrontEnd(fft=512, hop=160, frames=96, high_hz=4000.0))


def noisy_tone(shape: FrontEnd) -> torch.Tensor:
    """A rising tone over faint noise, one window long."""
    time = torch.arange(shape.window_samples) / shape.rate
    torch.manual_seed(1)
    tone = 0.5 * torch.sin(2 * math.pi * (300 * time + 400 * time**2))
    return (tone + 1e-3 * torch.randn_like(tone)).unsqueeze(0)


@pytest.mark.parametrize("shape", SHAPES)
def test_log_mel_is_that_of_torchaudio(shape: FrontEnd) -> None:
    reference = torchaudio.transforms.MelSpectrogram(
        sample_rate=shape.rate,
        n_fft=shape.fft,
        hop_length=shape.hop,
        f_min=shape.low_hz,
        f_max=shape.high_hz,
        n_mels=shape.mels,
        center=False,
    )
    sound = noisy_tone(shape)
    expected = reference(sound) * (2 / torch.hann_window(shape.fft).sum()) ** 2
    found = LogMel(shape)(sound)
    assert found.shape == (1, shape.mels, shape.frames)
    torch.testing.assert_close(found, expected.log(), atol=1e-2, rtol=0)


def test_a_full_scale_sine_has_power_one_in_its_bin() -> None:
    shape = FrontEnd()
    frequency = 40 * shape.rate / shape.fft
    time = torch.arange(shape.window_samples, dtype=torch.float64) / shape.rate
    sine = torch.sin(2 * math.pi * frequency * time).float().unsqueeze(0)
    front = LogMel(shape)
    spectrum = torch.nn.functional.conv1d(sine.unsqueeze(1), front.kernels, stride=shape.hop)
    bins = shape.fft // 2 + 1
    power = spectrum[0, :bins] ** 2 + spectrum[0, bins:] ** 2
    torch.testing.assert_close(power[40], torch.ones(shape.frames), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_written_network_is_torch_s(shape: FrontEnd, tmp_path: Path, esc10: list[Clip]) -> None:
    torch.manual_seed(3)
    backbone = Backbone(5, (16, 32, 64, 96))
    for module in backbone.modules():  # running statistics that are not the initial ones
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            torch.nn.init.uniform_(module.weight, 0.5, 1.5)
            torch.nn.init.normal_(module.bias, 0, 0.2)
    network = deployed_network(backbone, shape, temperature=0.5)
    file = tmp_path / "model.onnx"
    write_onnx(network, file)

    samples, rate = soundfile.read(esc10[0]["path"], dtype="float32")
    real = torch.from_numpy(samples[: shape.window_samples * rate // shape.rate])
    real = torchaudio.functional.resample(real, rate, shape.rate)[: shape.window_samples]
    real = torch.nn.functional.pad(real, (0, shape.window_samples - len(real)))
    silence = torch.zeros_like(real)
    windows = torch.stack([real, noisy_tone(shape)[0], silence, real * 1e-4])

    session = onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    probabilities, embedding = session.run(None, {"waveform": windows.numpy()})
    with torch.no_grad():
        expected, inner = network(windows)
    np.testing.assert_allclose(probabilities, expected.numpy(), atol=1e-5)
    np.testing.assert_allclose(embedding, inner.numpy(), atol=1e-4, rtol=1e-4)
    # Folding and the temperature changed nothing but the sharpness.
    backbone.eval()
    with torch.no_grad():
        plain = backbone(LevelNorm()(LogMel(shape)(windows)))
    np.testing.assert_allclose(expected, torch.softmax(plain / 0.5, 1), atol=1e-5)
    # One window gives the same as a batch.
    (alone, _) = session.run(None, {"waveform": windows[:1].numpy()})
    np.testing.assert_allclose(alone, probabilities[:1], atol=1e-6)


def test_the_network_is_small_and_of_plain_operators(tmp_path: Path) -> None:
    shape = FrontEnd()
    network = deployed_network(Backbone(50, (16, 32, 64, 96)), shape)
    write_onnx(network, tmp_path / "model.onnx")
    assert sum(p.numel() for p in network.parameters()) <= 300_000
    model = onnx.load(tmp_path / "model.onnx")
    operators = {node.op_type for node in model.graph.node}
    # TensorRT on JetPack 6 parses none of these; a folded network needs no normalisation.
    assert not operators & {"STFT", "DFT", "BatchNormalization", "Loop", "If"}
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_level_does_not_matter_but_silence_stays_silent() -> None:
    shape = FrontEnd()
    front, level = LogMel(shape), LevelNorm()
    sound = noisy_tone(shape)
    loud, quiet = level(front(sound)), level(front(sound * 0.05))
    torch.testing.assert_close(loud, quiet, atol=0.02, rtol=0)
    assert float(loud.max()) > 1.5
    hiss = torch.randn(1, shape.window_samples) * 10 ** (-100 / 20)
    assert float(level(front(hiss)).max()) < float(loud.max()) - 1.5
    assert torch.isfinite(level(front(torch.zeros(1, shape.window_samples)))).all()
