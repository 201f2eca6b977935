"""A quick look at the accuracy while training goes on."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from appliance.training.device import Device
from appliance.training.features import CENTRE, SPREAD, FrontEnd, relative_level
from appliance.training.network import Backbone
from appliance.training.store import FeatureStore

MOST_CLIPS = 200


class Probe:
    """The loudest window of some clips. It informs people, and decides nothing."""

    def __init__(
        self, store: FeatureStore, clips: Sequence[int], targets: Sequence[int], shape: FrontEnd
    ) -> None:
        spaced = clips[:: max(1, -(-len(clips) // MOST_CLIPS))]
        self._spectra = torch.stack([_loudest(store, clip, shape) for clip in spaced])
        self._targets = torch.tensor([targets[clip] for clip in spaced])

    @torch.no_grad()
    def accuracy(self, network: Backbone, device: Device) -> float:
        with device.autocast():
            logits = network(self._spectra.to(device.torch_device))
        right = logits.argmax(1).cpu() == self._targets
        return float(right.float().mean())


def _loudest(store: FeatureStore, clip: int, shape: FrontEnd) -> torch.Tensor:
    """Normalised log power of the window with the most energy: [mels, frames]."""
    spectrum = store.clip(clip)
    missing = shape.frames - spectrum.shape[1]
    if missing > 0:
        spectrum = torch.nn.functional.pad(
            spectrum, (missing // 2, missing - missing // 2), value=float(spectrum.min())
        )
    energy = torch.nn.functional.pad(spectrum.exp().sum(0).double().cumsum(0), (1, 0))
    held = energy[shape.frames :] - energy[: -shape.frames]
    first = int(held.argmax())
    return (relative_level(spectrum[:, first : first + shape.frames]) - CENTRE) / SPREAD
