"""Stretches of sound for the network to see: where they start, and what lies under them.

A short sound stands anywhere in the window, over digital zeros, faint noise or a stretch of
background, and a long one begins or ends within it, as listening will meet them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from appliance.training.features import POWER_FLOOR, FrontEnd, LogMel, loudest_frame
from appliance.training.recipe import Recipe
from appliance.training.store import FeatureStore

DECIBEL = math.log(10) / 10  # one decibel of power in nepers
SILENCE = math.log(POWER_FLOOR)
NOISE_SECONDS = 20
# How much of a short sound may stick out of the window.
CUT_SHARE = 0.2
# Of a sound that begins or ends within the window, at least so much of its energy is in it.
LEAST_PART = 0.3
# So many sounds that do not fill the window stand on something else than digital zeros.
BARE_NOISE = 0.75
# Noise under a sound, relative to its loudest frame, in dB, and its spectral tilt in nepers.
NOISE_LOW, NOISE_HIGH, NOISE_TILT = -80.0, -20.0, 2.0
# Background under a sound: as it was recorded, give or take, and never louder than the sound.
BACKGROUND_DB = 10.0
BACKGROUND_BELOW_DB = 3.0


class Strips:
    """Draws stretches of log power that are long enough for a crop at any speed."""

    def __init__(
        self,
        store: FeatureStore,
        targets: Tensor,
        quiet: Sequence[int],
        background: int | None,
        shape: FrontEnd,
        recipe: Recipe,
    ) -> None:
        """targets: class index of every stored clip; quiet: the training clips of the class
        `background`."""
        self._store, self._targets, self._frames = store, targets, shape.frames
        self._quiet = torch.tensor(quiet) if quiet else None
        self._background, self._recipe = background, recipe
        self._chances = _crop_chances(store, shape.frames, recipe.faintest_crop)
        self._noise = _noise_bank(shape)
        self.length = math.ceil(shape.frames * (1 + recipe.speed)) + 2

    def draw(self, clips: Tensor, draw: torch.Generator) -> Tensor:
        """[n, length, mels] around a crop of each clip, the crop in the middle.

        Long clips are circular in time. Short ones lie on a floor.
        """
        lengths = self._store.lengths[clips]
        short = lengths <= self._frames
        start = self._chances.draw(clips, draw)
        free = (self._frames - lengths).float() + 2 * CUT_SHARE * lengths
        place = torch.rand(len(clips), generator=draw) * free - CUT_SHARE * lengths
        start = torch.where(short, -place.round().long(), start)
        margin = (self.length - self._frames) // 2
        rows = (start - margin)[:, None] + torch.arange(self.length)
        outside = ((rows < 0) | (rows >= lengths[:, None])) & short[:, None]
        rows = torch.remainder(rows, lengths[:, None]) + self._store.starts[clips][:, None]
        strips = self._store.frames[rows].float()
        strips[outside] = SILENCE
        bare = short
        if self._recipe.part:
            parts = ~short & (torch.rand(len(clips), generator=draw) < self._recipe.part)
            if self._background is not None:
                parts &= self._targets[clips] != self._background
            strips[parts] = self._part_of(strips[parts], draw)
            bare = short | parts
        self._add_floors(strips, clips, bare, draw)
        return strips

    def _part_of(self, sounds: Tensor, draw: torch.Generator) -> Tensor:
        """The beginning or the end of each of the sounds, and nothing before or after.

        Listening meets every sound's beginning and end in its windows, and the end of a saw that
        has just stopped must not be taken for a sneeze. Where it is cut follows its energy, so that
        enough of it is left to be recognised.
        """
        margin = (self.length - self._frames) // 2
        power = sounds.exp().sum(2)
        power[:, :margin] = 0
        power[:, margin + self._frames :] = 0
        heard = power.cumsum(1)
        heard = heard / heard[:, -1:].clamp_min(1e-30)
        left = LEAST_PART + torch.rand(len(sounds), 1, generator=draw) * (1 - LEAST_PART)
        stops = torch.rand(len(sounds), 1, generator=draw) < 0.5
        gone = torch.where(stops, heard > left, heard < 1 - left)
        return sounds.masked_fill(gone[:, :, None], SILENCE)

    def _add_floors(
        self, strips: Tensor, clips: Tensor, bare: Tensor, draw: torch.Generator
    ) -> None:
        """Add noise or background under some of the strips, in place. bare: those with digital
        zeros before or after their sound."""
        chance = torch.rand(len(clips), generator=draw)
        noisy = chance < torch.where(bare, BARE_NOISE, self._recipe.noise)
        if self._quiet is not None:
            other = self._targets[clips] != self._background
            real = other & (torch.rand(len(clips), generator=draw) < self._recipe.background)
            self._add(strips, real, self._real_background(int(real.sum()), draw))
            noisy &= ~real
        count = int(noisy.sum())
        level = torch.rand(count, 1, 1, generator=draw) * (NOISE_HIGH - NOISE_LOW) + NOISE_LOW
        tilt = torch.randn(count, 1, 1, generator=draw) * NOISE_TILT
        slope = tilt * torch.linspace(1, -1, strips.shape[2])
        noise = _stretches(self._noise, count, self.length, draw) + slope
        self._add(strips, noisy, noise + level * DECIBEL + _loudest(strips[noisy]))

    def _add(self, strips: Tensor, chosen: Tensor, floor: Tensor) -> None:
        """Add the powers of `floor` to the chosen strips; it stays below the loudest frame."""
        if len(floor):
            own = strips[chosen]
            above = _loudest(floor) - (_loudest(own) - BACKGROUND_BELOW_DB * DECIBEL)
            strips[chosen] = torch.logaddexp(own, floor - above.clamp_min(0))

    def _real_background(self, count: int, draw: torch.Generator) -> Tensor:
        """Stretches of recorded background at about their own level: [count, length, mels]."""
        assert self._quiet is not None
        clips = self._quiet[torch.randint(len(self._quiet), (count,), generator=draw)]
        lengths = self._store.lengths[clips]
        start = (torch.rand(count, generator=draw) * lengths).long()
        rows = torch.remainder(start[:, None] + torch.arange(self.length), lengths[:, None])
        level = (torch.rand(count, 1, 1, generator=draw) * 2 - 1) * BACKGROUND_DB * DECIBEL
        return self._store.frames[rows + self._store.starts[clips][:, None]].float() + level


def _loudest(strips: Tensor) -> Tensor:
    return loudest_frame(strips.transpose(1, 2))


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


def _crop_chances(store: FeatureStore, frames: int, faintest: float) -> _CropChances:
    weights, counts = [], []
    for start, length in zip(store.starts.tolist(), store.lengths.tolist(), strict=True):
        energy = torch.cumsum(
            torch.nn.functional.pad(store.energy[start : start + length].double(), (1, 0)), 0
        )
        if length > frames:
            held = energy[frames:] - energy[:-frames]
            held = (held / held.amax().clamp_min(1e-30)).clamp_min(faintest).sqrt()
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
