"""The compact CNN, and the whole network that is deployed.

A 5x5 stem with stride 2 and three residual blocks of dense 3x3 convolutions: on CPUs dense
convolutions in bf16 train several times as many clips a second as depthwise ones, and epochs a
minute are what accuracy depends on most.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from appliance.training.features import FrontEnd, LevelNorm, LogMel


class ConvNorm(nn.Module):
    """Convolution and batch normalisation; the latter disappears when folded."""

    def __init__(self, inputs: int, outputs: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, size // 2, bias=False)
        self.norm: nn.Module = nn.BatchNorm2d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return y

    def fold(self) -> None:
        """Put the normalisation into the convolution. Only after `eval()`."""
        if isinstance(self.norm, nn.BatchNorm2d):
            self.conv = fuse_conv_bn_eval(self.conv, self.norm)
            self.norm = nn.Identity()


class Residual(nn.Module):
    """Two 3x3 convolutions beside a pooled 1x1 shortcut; halves frequency and time."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first = ConvNorm(inputs, outputs, 3, 2)
        self.second = ConvNorm(outputs, outputs, 3)
        self.shortcut = ConvNorm(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.second(torch.relu(self.first(x)))
        short = self.shortcut(nn.functional.avg_pool2d(x, 2))
        return torch.relu(inner + short)


class Backbone(nn.Module):
    """Normalised log-mel [batch, mels, frames] -> embedding [batch, widths[-1]] -> logits.

    Mean over frequency, then mean and maximum over time: steady and short sounds both count.
    """

    def __init__(self, classes: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.stem = ConvNorm(1, widths[0], 5, 2)
        self.blocks = nn.Sequential(*(Residual(a, b) for a, b in pairwise(widths)))
        self.head = nn.Linear(widths[-1], classes)

    def residuals(self) -> Iterator[Residual]:
        """The blocks in order."""
        for block in self.blocks:
            assert isinstance(block, Residual)
            yield block

    def embed(self, spectrum: Tensor) -> Tensor:
        x = self.blocks(torch.relu(self.stem(spectrum.unsqueeze(1))))
        x = x.mean(dim=2)
        embedding: Tensor = x.mean(dim=2) + x.amax(dim=2)
        return embedding

    def forward(self, spectrum: Tensor, keep: Tensor | None = None) -> Tensor:
        """`keep` [batch, widths[-1]] scales the embedding: dropout, drawn by the caller."""
        embedding = self.embed(spectrum)
        logits: Tensor = self.head(embedding if keep is None else embedding * keep)
        return logits


class DeployedNetwork(nn.Module):
    """Waveform [batch, window_samples] -> probabilities [batch, classes], embedding [batch, d].

    With `familiarity` (embedding -> [batch, 1]) the probabilities are those of the softmax times
    it: what they leave to 1 is the belief that the sound is none of the classes.
    """

    def __init__(
        self, shape: FrontEnd, backbone: Backbone, familiarity: nn.Module | None = None
    ) -> None:
        super().__init__()
        self.familiarity = familiarity
        self.shape = shape
        self.log_mel = LogMel(shape)
        self.level = LevelNorm()
        self.backbone = backbone

    def logits(self, waveform: Tensor) -> Tensor:
        """Before the softmax: [batch, classes]."""
        logits: Tensor = self.backbone.head(self.embed(waveform))
        return logits

    def forward(self, waveform: Tensor) -> tuple[Tensor, Tensor]:
        embedding = self.embed(waveform)
        probabilities = torch.softmax(self.backbone.head(embedding), dim=1)
        if self.familiarity is not None:
            probabilities = probabilities * self.familiarity(embedding)
        return probabilities, embedding

    def embed(self, waveform: Tensor) -> Tensor:
        """[batch, d]."""
        return self.backbone.embed(self.level(self.log_mel(waveform)))


def fold_normalisation(network: nn.Module) -> None:
    """Fold every batch normalisation of a network in evaluation mode."""
    for module in network.modules():
        if isinstance(module, ConvNorm):
            module.fold()


def parameter_count(network: nn.Module) -> int:
    """Weights that are learned; the fixed DFT kernels and mel filters are not."""
    return sum(parameter.numel() for parameter in network.parameters())
