"""From waveform to log-mel spectrogram, as part of the network.

The DFT is a convolution with fixed kernels: every ONNX runtime has Conv, while STFT is missing
from TensorRT's parser before 10.5. The mel filter bank is torchaudio's. The exported network
contains these modules, so training and listening cannot compute different features.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
import torchaudio.functional
from torch import Tensor, nn

# Power per mel band under which nothing is told apart: 120 dB below a full-scale sine.
POWER_FLOOR = 1e-12
# A window is measured against its loudest frame, and everything 90 dB below that is the same.
DYNAMIC_RANGE = math.log(1e-9)
# The loudest frame counts as at least -65 dBFS: silence stays silence, it is not amplified.
REFERENCE_FLOOR = math.log(10.0**-6.5)
# Centre and half of the normalised range, in nepers of power.
CENTRE, SPREAD = -9.0, 4.5


@dataclass(frozen=True)
class FrontEnd:
    """The shape of the features. Lengths in samples at `rate`."""

    rate: int = 16000
    fft: int = 640
    hop: int = 320
    mels: int = 64
    low_hz: float = 20.0
    high_hz: float = 8000.0
    frames: int = 128

    @property
    def window_samples(self) -> int:
        """The waveform that gives exactly `frames` frames."""
        return (self.frames - 1) * self.hop + self.fft

    def frames_of(self, samples: int) -> int:
        """Whole frames in a signal of so many samples."""
        return max(0, (samples - self.fft) // self.hop + 1)


class LogMel(nn.Module):
    """Waveform [batch, n] (full scale 1) -> natural log of mel power [batch, mels, frames].

    A full-scale sine has power 1 in its DFT bin. No padding: frame f spans the samples
    f*hop .. f*hop+fft. Runs in fp32 whatever surrounds it.
    """

    kernels: Tensor
    filters: Tensor

    def __init__(self, shape: FrontEnd) -> None:
        super().__init__()
        self.hop = shape.hop
        # The kernels are fixed by the shape, so they are no part of the weights on disk.
        self.register_buffer("kernels", dft_kernels(shape.fft), persistent=False)
        bank = torchaudio.functional.melscale_fbanks(
            shape.fft // 2 + 1, shape.low_hz, shape.high_hz, shape.mels, shape.rate
        )
        # Real and imaginary parts pass the same filters: their squares add up to the power.
        self.register_buffer("filters", torch.cat([bank, bank]).T.contiguous(), persistent=False)

    def forward(self, waveform: Tensor) -> Tensor:
        spectrum = nn.functional.conv1d(waveform.unsqueeze(1), self.kernels, stride=self.hop)
        power = torch.matmul(self.filters, spectrum * spectrum)
        return torch.log(power.clamp_min(POWER_FLOOR))


def dft_kernels(size: int) -> Tensor:
    """Cosines, then sines, under a periodic Hann window: [2 * (size // 2 + 1), 1, size].

    Computed in float64. Scaled so that a full-scale sine on a bin has magnitude 1.
    """
    time = torch.arange(size, dtype=torch.float64)
    bins = torch.arange(size // 2 + 1, dtype=torch.float64)
    angle = 2 * math.pi * torch.outer(bins, time) / size
    window = torch.hann_window(size, periodic=True, dtype=torch.float64)
    scale = 2.0 / window.sum()
    kernels = torch.cat([torch.cos(angle), -torch.sin(angle)]) * window * scale
    return kernels.unsqueeze(1).float()


class LevelNorm(nn.Module):
    """Log power [..., mels, frames] relative to the loudest frame of the window, about -1..3.

    The one definition of level: crops in training and windows in listening pass through it.
    """

    def forward(self, log_power: Tensor) -> Tensor:
        return (relative_level(log_power) - CENTRE) / SPREAD


def relative_level(log_power: Tensor) -> Tensor:
    """Log power relative to its loudest frame, not below `DYNAMIC_RANGE`."""
    return (log_power - loudest_frame(log_power)).clamp_min(DYNAMIC_RANGE)


def loudest_frame(log_power: Tensor) -> Tensor:
    """Log of the summed power of the loudest frame, at least `REFERENCE_FLOOR`: [..., 1, 1]."""
    frames = log_power.exp().sum(dim=-2, keepdim=True)
    return frames.amax(dim=-1, keepdim=True).log().clamp_min(REFERENCE_FLOOR)
