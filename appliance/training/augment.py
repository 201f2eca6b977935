"""Training batches: crops of the kept log-mels, and what is done to them.

One `grid_sample` does the crop, speed, frequency shift and scale. Sounds are mixed in the power
domain. A batch depends on (seed, step) alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from appliance.training.crops import DECIBEL, Strips
from appliance.training.features import CENTRE, SPREAD, FrontEnd, relative_level
from appliance.training.recipe import Recipe
from appliance.training.sampling import ClipOrder
from appliance.training.store import FeatureStore

EQUALISER_POINTS = 6
# Share of the amplitude from which a sound is heard over background.
AUDIBLE = 0.2


@dataclass(frozen=True)
class Batch:
    """`spectra` [n, mels, frames] normalised; `targets` [n, classes] sum to 1; `keep` [n, d]
    scales the embedding (dropout)."""

    spectra: Tensor
    targets: Tensor
    keep: Tensor


class BatchMaker:
    """Makes the batch of any step of a phase."""

    def __init__(
        self,
        store: FeatureStore,
        clips: Sequence[int],
        targets: Sequence[int],
        classes: int,
        background: int | None,
        shape: FrontEnd,
        recipe: Recipe,
        batch: int,
        seed: int,
    ) -> None:
        """clips: those of the store to train on; targets: the class index of every stored clip;
        background: the class index of `background`, if it is a class."""
        self.batch = batch
        self._shape, self._recipe, self._seed = shape, recipe, seed
        self._clips, self._targets = torch.tensor(clips), torch.tensor(targets)
        self._classes, self._background = classes, background
        chosen = [targets[clip] for clip in clips]
        self._orders = [ClipOrder(chosen, recipe.balance, seed + turn) for turn in (0, 1)]
        quiet = [clip for clip in clips if targets[clip] == background]
        self._strips = Strips(store, self._targets, quiet, background, shape, recipe)

    def make(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """Part `part` of `parts` of the batch of `step`."""
        draw = torch.Generator().manual_seed((self._seed * 1_000_003 + step) * parts + part)
        low, high = part * self.batch // parts, (part + 1) * self.batch // parts
        first, count = step * self.batch + low, high - low
        spectra, targets = self._crops_of(self._orders[0].take(first, count), draw)
        mixed = torch.rand(count, generator=draw) < self._recipe.mixing
        if mixed.any():
            others = self._orders[1].take(first, count)[mixed.numpy()]
            spectra[mixed], targets[mixed] = mix(
                (spectra[mixed], targets[mixed]),
                self._crops_of(others, draw),
                self._background,
                draw,
            )
        spectra = (spectra - CENTRE) / SPREAD
        _mask(spectra, 1, self._recipe.frequency_mask, draw)
        _mask(spectra, 2, round(self._recipe.time_mask_share * spectra.shape[2]), draw)
        smooth = self._recipe.label_smoothing
        dropped = self._recipe.dropout
        keep = torch.rand(count, self._recipe.widths[-1], generator=draw) >= dropped
        smoothed = targets * (1 - smooth) + smooth / self._classes
        return Batch(spectra, smoothed, keep / (1 - dropped))

    def _crops_of(self, places: NDArray[np.int64], draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """Relative log power [batch, mels, frames] of one crop each, and one-hot targets."""
        clips = self._clips[torch.from_numpy(places)]
        strips = self._strips.draw(clips, draw)
        crops = self._warp(strips, draw)
        spectra = relative_level(crops) + self._equaliser(len(clips), draw)
        targets = torch.nn.functional.one_hot(self._targets[clips], self._classes).float()
        return spectra, targets

    def _warp(self, strips: Tensor, draw: torch.Generator) -> Tensor:
        """Speed, frequency shift and scale by one interpolation: [batch, mels, frames]."""
        recipe, count, mels = self._recipe, strips.shape[0], strips.shape[2]
        frames = self._shape.frames

        def spread(size: float) -> Tensor:
            return (torch.rand(count, 1, generator=draw) * 2 - 1) * size

        speed = torch.exp(spread(math.log(1 + recipe.speed)))
        time = torch.linspace(-1, 1, frames) * (frames - 1) / (self._strips.length - 1) * speed
        bands = torch.linspace(-1, 1, mels) * (1 + spread(recipe.scale_bands))
        bands = bands + spread(recipe.shift_bands * 2 / mels)
        grid = torch.stack(
            [
                bands[:, :, None].expand(count, mels, frames),
                time[:, None, :].expand(count, mels, frames),
            ],
            dim=-1,
        )
        warped = torch.nn.functional.grid_sample(
            strips.unsqueeze(1), grid, padding_mode="border", align_corners=True
        )
        return warped.squeeze(1)

    def _equaliser(self, count: int, draw: torch.Generator) -> Tensor:
        """Gain and a smooth random frequency response, in nepers: [count, mels, 1]."""
        gain = (torch.rand(count, 1, 1, generator=draw) * 2 - 1) * self._recipe.gain_db
        points = torch.randn(count, 1, EQUALISER_POINTS, generator=draw) * self._recipe.equaliser_db
        curve = torch.nn.functional.interpolate(
            points, size=self._shape.mels, mode="linear", align_corners=True
        )
        return (gain + curve.transpose(1, 2)) * DECIBEL


def mix(
    ours: tuple[Tensor, Tensor],
    theirs: tuple[Tensor, Tensor],
    background: int | None,
    draw: torch.Generator,
) -> tuple[Tensor, Tensor]:
    """Between-class learning: add two sounds at a random ratio of amplitudes, and their targets.

    A sound over background is that sound, as long as it can be heard: not half of it, since
    listening would then doubt every sound in a noisy room.
    """
    ratio = torch.rand(len(ours[0]), generator=draw)
    power = (ratio**2 / (ratio**2 + (1 - ratio) ** 2)).clamp(1e-6, 1 - 1e-6)[:, None, None]
    spectra = torch.logaddexp(ours[0] + power.log(), theirs[0] + (1 - power).log())
    share = ratio
    if background is not None:
        quiet, other_quiet = (targets[:, background] == 1 for targets in (ours[1], theirs[1]))
        share = torch.where(~quiet & other_quiet & (ratio > AUDIBLE), 1.0, share)
        share = torch.where(quiet & ~other_quiet & (1 - ratio > AUDIBLE), 0.0, share)
    return spectra, ours[1] * share[:, None] + theirs[1] * (1 - share[:, None])


def _mask(spectra: Tensor, dimension: int, widest: int, draw: torch.Generator) -> None:
    """Blank one band or stretch of each spectrum, in place."""
    if widest < 1:
        return
    count, size = spectra.shape[0], spectra.shape[dimension]
    width = torch.randint(widest + 1, (count, 1), generator=draw)
    start = (torch.rand(count, 1, generator=draw) * (size - width)).long()
    place = torch.arange(size)
    hidden = (place >= start) & (place < start + width)
    hidden = hidden[:, :, None] if dimension == 1 else hidden[:, None, :]
    spectra.masked_fill_(hidden, -1.0)
