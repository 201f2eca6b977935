"""Is a sound like anything that was taught? How densely what was taught lies around it.

A softmax must say one of its classes whatever it hears. So every version keeps embeddings of its
training crops, and the score of each class is multiplied by how familiar a window is: what is
left to 1 is the belief that the sound is none of them. The density is that of a von Mises-Fisher
kernel: the log of the mean of exp(k (cos - 1)) over the examples. On held-out classes of ESC-10
it let fewer unknown sounds pass than the softmax alone, than the energy (log of the sum of the
logits' exponentials) and than the Mahalanobis distance; docs/listening.md has the figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from appliance.training.augment import BatchMaker
from appliance.training.device import Device
from appliance.training.evaluate import Judgement
from appliance.training.network import Backbone

CONCENTRATION = 12.0
EXAMPLES = 512
# So many of a hundred windows of known sounds that were held out are less familiar than the middle.
STRANGE_SHARE = 5.0
WIDTH = 0.6  # of the slope, in standard deviations of what was held out
# The rooms that a held-out sound is laid over are few and its loudest window is whole; listening
# meets others, and the sound's ragged ends: so many standard deviations are allowed for that.
MEETS_OTHERS = 1.0
NARROWEST = 0.1
# Fewer held-out windows say nothing about the tail.
FEWEST_WINDOWS = 20
# Windows with less than this of a clip's greatest weight hold little of its sound.
HEARD_SHARE = 0.7


@dataclass(frozen=True)
class Scale:
    """From density to familiarity: one half at `middle`."""

    middle: float
    width: float

    def of(self, density: NDArray[np.float32]) -> NDArray[np.float32]:
        """0 to 1, in the shape of `density`."""
        shares: NDArray[np.float32] = 1 / (1 + np.exp(-(density - self.middle) / self.width))
        return shares.astype(np.float32)


class Familiarity(nn.Module):
    """Embedding [batch, d] -> familiarity [batch, 1], 0 to 1."""

    examples: Tensor

    def __init__(self, examples: Tensor, scale: Scale) -> None:
        """examples: unit vectors [n, d]."""
        super().__init__()
        self.register_buffer("examples", examples.clone(), persistent=False)
        self.scale = scale

    def forward(self, embedding: Tensor) -> Tensor:
        found = density(embedding, self.examples)
        return torch.sigmoid((found - self.scale.middle) / self.scale.width)


def density(embedding: Tensor, examples: Tensor) -> Tensor:
    """[batch, d], unit [n, d] -> log density [batch, 1]; 0 among copies of itself."""
    unit = embedding / embedding.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-6)
    near = torch.exp(CONCENTRATION * (unit @ examples.T - 1))
    return near.mean(dim=1, keepdim=True).clamp_min(1e-12).log()


@torch.no_grad()
def examples_of(backbone: Backbone, maker: BatchMaker, device: Device) -> Tensor:
    """Unit embeddings [n, d], on the CPU, of crops as they are made for training."""
    network = backbone.eval()
    found = []
    for step in range(-(-EXAMPLES // maker.batch)):
        spectra = maker.make(step).spectra.to(device.torch_device)
        found.append(network.embed(spectra).float().cpu())
    rows = torch.cat(found)[:EXAMPLES]
    return rows / rows.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-6)


def fit_scale(judged: Sequence[Judgement]) -> Scale | None:
    """From the windows that hold the sounds of held-out clips, as they were recorded and in noisy
    rooms; None when there are too few.

    Without the rooms, six recordings of one smoke alarm, which are nearly copies, would leave so
    narrow a scale that the alarm is a stranger as soon as a fan runs.
    """
    clean = _joined(
        item.density[item.weights >= HEARD_SHARE * item.weights.max()]
        for item in judged
        if item.density is not None
    )
    if len(clean) < FEWEST_WINDOWS:
        return None
    in_rooms = _joined(item.in_rooms for item in judged if item.in_rooms is not None)
    found = np.concatenate([clean, in_rooms])
    spread = max(float(found.std()), NARROWEST)
    # And the fewer windows, the less is known about the tail.
    caution = spread * (MEETS_OTHERS + 2 / np.sqrt(len(found)))
    return Scale(float(np.percentile(found, STRANGE_SHARE)) - float(caution), WIDTH * spread)


def _joined(parts: Iterable[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.concatenate([np.zeros(0, np.float32), *parts])
