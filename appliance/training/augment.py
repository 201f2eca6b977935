"""Training batches: crops of the kept log-mels, and what is done to them.

One `grid_sample` does the crop, speed, frequency shift and scale. A short sound stands anywhere
in the window, over digital zeros, faint noise or a stretch of background, as listening will meet
it. Sounds are mixed in the power domain. A batch depends on (seed, step) alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from appliance.training.features import (
    CENTRE,
    POWER_FLOOR,
    SPREAD,
    FrontEnd,
    LogMel,
    loudest_frame,
    relative_level,
)
from appliance.training.recipe import Recipe
from appliance.training.sampling import ClipOrder
from appliance.training.store import FeatureStore

DECIBEL = math.log(10) / 10  # one decibel of power in nepers
SILENCE = math.log(POWER_FLOOR)
NOISE_SECONDS = 20
# A frame 34 dB below the loudest still starts a crop now and then.
FAINTEST_CROP = 0.02
EQUALISER_POINTS = 6
# How much of a short sound may stick out of the window.
CUT_SHARE = 0.2
# Noise under a sound, relative to its loudest frame, in dB.
NOISE_LEVELS = (-80.0, -20.0)
# Background under a sound: as it was recorded, give or take.
BACKGROUND_DB = 10.0


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
        self._store, self._shape, self._recipe = store, shape, recipe
        self._clips = torch.tensor(clips)
        self._targets = torch.tensor(targets)
        self.batch = batch
        self._classes, self._seed = classes, seed
        chosen = [targets[clip] for clip in clips]
        self._orders = [ClipOrder(chosen, recipe.balance, seed + turn) for turn in (0, 1)]
        self._background = background
        quiet = [clip for clip in clips if targets[clip] == background]
        self._quiet = torch.tensor(quiet) if quiet else None
        self._crops = _crop_chances(store, shape.frames)
        self._noise = _noise_bank(shape)
        self._strip = math.ceil(shape.frames * (1 + recipe.speed)) + 2

    def make(self, step: int, part: int = 0, parts: int = 1) -> Batch:
        """Part `part` of `parts` of the batch of `step`."""
        draw = torch.Generator().manual_seed((self._seed * 1_000_003 + step) * parts + part)
        low, high = part * self.batch // parts, (part + 1) * self.batch // parts
        first, count = step * self.batch + low, high - low
        spectra, targets = self._crops_of(self._orders[0].take(first, count), draw)
        if self._recipe.mixing > 0:
            others, other_targets = self._crops_of(self._orders[1].take(first, count), draw)
            spectra, targets = _mix(
                (spectra, targets), (others, other_targets), self._recipe.mixing, draw
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
        strips = self._strips(clips, draw)
        crops = self._warp(strips, draw)
        spectra = relative_level(crops) + self._equaliser(len(clips), draw)
        targets = torch.nn.functional.one_hot(self._targets[clips], self._classes).float()
        return spectra, targets

    def _strips(self, clips: Tensor, draw: torch.Generator) -> Tensor:
        """Stretches of log power around the crop, long enough for any speed: [batch, strip, mels].

        Long clips are circular in time. Short ones lie on a floor of zeros, noise or background.
        """
        lengths = self._store.lengths[clips]
        frames, margin = self._shape.frames, (self._strip - self._shape.frames) // 2
        short = lengths <= frames
        start = self._crops.draw(clips, draw)
        free = (frames - lengths).float() + 2 * CUT_SHARE * lengths
        place = torch.rand(len(clips), generator=draw) * free - CUT_SHARE * lengths
        start = torch.where(short, -place.round().long(), start)
        rows = (start - margin)[:, None] + torch.arange(self._strip)
        inside = (rows >= 0) & (rows < lengths[:, None])
        rows = torch.remainder(rows, lengths[:, None]) + self._store.starts[clips][:, None]
        strips = self._store.frames[rows].float()
        strips = torch.where((inside | ~short[:, None])[..., None], strips, SILENCE)
        return self._on_floor(strips, clips, short, draw)

    def _on_floor(
        self, strips: Tensor, clips: Tensor, short: Tensor, draw: torch.Generator
    ) -> Tensor:
        """Add noise or background under some of the strips, and under most short sounds."""
        count = len(clips)
        chance = torch.rand(count, generator=draw)
        noisy = chance < torch.where(short, 0.75, self._recipe.noise)
        loudest = loudest_frame(strips.transpose(1, 2))
        low, high = NOISE_LEVELS
        level = (torch.rand(count, 1, 1, generator=draw) * (high - low) + low) * DECIBEL
        tilt = (
            torch.randn(count, 1, 1, generator=draw) * 2.0 * torch.linspace(1, -1, strips.shape[2])
        )
        floor = _stretches(self._noise, count, self._strip, draw) + tilt + level + loudest
        if self._quiet is not None:
            other = self._targets[clips] != self._background
            real = (torch.rand(count, generator=draw) < 0.5) & other
            noisy = noisy | (real & (chance < self._recipe.background * 2))
            floor = torch.where(real[:, None, None], self._real_background(count, draw), floor)
        return torch.where(noisy[:, None, None], torch.logaddexp(strips, floor), strips)

    def _real_background(self, count: int, draw: torch.Generator) -> Tensor:
        """Stretches of recorded background at about their own level: [count, strip, mels]."""
        assert self._quiet is not None
        clips = self._quiet[torch.randint(len(self._quiet), (count,), generator=draw)]
        lengths = self._store.lengths[clips]
        start = (torch.rand(count, generator=draw) * lengths).long()
        rows = torch.remainder(start[:, None] + torch.arange(self._strip), lengths[:, None])
        level = (torch.rand(count, 1, 1, generator=draw) * 2 - 1) * BACKGROUND_DB * DECIBEL
        return self._store.frames[rows + self._store.starts[clips][:, None]].float() + level

    def _warp(self, strips: Tensor, draw: torch.Generator) -> Tensor:
        """Speed, frequency shift and scale by one interpolation: [batch, mels, frames]."""
        recipe, count, mels = self._recipe, strips.shape[0], strips.shape[2]
        frames = self._shape.frames

        def spread(size: float) -> Tensor:
            return (torch.rand(count, 1, generator=draw) * 2 - 1) * size

        speed = torch.exp(spread(math.log(1 + recipe.speed)))
        time = torch.linspace(-1, 1, frames) * (frames - 1) / (self._strip - 1) * speed
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


class _CropChances:
    """Where crops of long clips start: in proportion to the root of the energy that they hold."""

    def __init__(self, cumulative: Tensor, starts: Tensor, counts: Tensor) -> None:
        self._cumulative, self._starts, self._counts = cumulative, starts, counts

    def draw(self, clips: Tensor, draw: torch.Generator) -> Tensor:
        """A first frame within each clip: int64 [batch]."""
        first, count = self._starts[clips], self._counts[clips]
        low, high = self._cumulative[first], self._cumulative[first + count]
        chance = low + torch.rand(len(clips), dtype=torch.float64, generator=draw) * (high - low)
        place = torch.searchsorted(self._cumulative, chance, right=True) - 1 - first
        return torch.minimum(place.clamp_min(0), count - 1)


def _crop_chances(store: FeatureStore, frames: int) -> _CropChances:
    weights, counts = [], []
    for start, length in zip(store.starts.tolist(), store.lengths.tolist(), strict=True):
        energy = torch.cumsum(
            torch.nn.functional.pad(store.energy[start : start + length].double(), (1, 0)), 0
        )
        if length > frames:
            held = energy[frames:] - energy[:-frames]
            held = (held / held.amax().clamp_min(1e-30)).clamp_min(FAINTEST_CROP).sqrt()
        else:
            held = torch.ones(1, dtype=torch.float64)
        weights.append(held)
        counts.append(len(held))
    cumulative = torch.nn.functional.pad(torch.cumsum(torch.cat(weights), 0), (1, 0))
    sizes = torch.tensor(counts)
    return _CropChances(cumulative, torch.cumsum(sizes, 0) - sizes, sizes)


def _noise_bank(shape: FrontEnd) -> Tensor:
    """Log power of white noise, its mean frame at 0: [frames, mels]."""
    noise = np.random.default_rng(0).standard_normal(NOISE_SECONDS * shape.rate, dtype=np.float32)
    with torch.no_grad():
        spectrum: Tensor = LogMel(shape)(torch.from_numpy(noise).unsqueeze(0))[0].T
    return spectrum - spectrum.exp().sum(1).mean().log()


def _stretches(bank: Tensor, count: int, length: int, draw: torch.Generator) -> Tensor:
    """Random consecutive rows of the bank: [count, length, mels]."""
    start = torch.randint(len(bank), (count, 1), generator=draw)
    return bank[torch.remainder(start + torch.arange(length), len(bank))]


def _mix(
    ours: tuple[Tensor, Tensor], theirs: tuple[Tensor, Tensor], chance: float, draw: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Between-class learning: add two sounds at a random ratio of amplitudes, and their targets."""
    count = len(ours[0])
    ratio = torch.rand(count, generator=draw)
    mixed = torch.rand(count, generator=draw) < chance
    ratio = torch.where(mixed, ratio, 1.0)
    power = (ratio**2 / (ratio**2 + (1 - ratio) ** 2)).clamp(1e-6, 1 - 1e-6)[:, None, None]
    sound = torch.logaddexp(ours[0] + power.log(), theirs[0] + (1 - power).log())
    spectra = torch.where(mixed[:, None, None], sound, ours[0])
    targets = ours[1] * ratio[:, None] + theirs[1] * (1 - ratio[:, None])
    return spectra, targets


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
