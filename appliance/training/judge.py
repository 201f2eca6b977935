"""Clips judged as the deployed network will judge them: read again, cut into windows."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from appliance.audio.windows import cut_windows, window_weights
from appliance.training.context import BACKGROUND, Context
from appliance.training.evaluate import Judgement
from appliance.training.export import deployed_network
from appliance.training.familiarity import density
from appliance.training.features import FrontEnd
from appliance.training.network import Backbone, DeployedNetwork
from appliance.training.rooms import RATIOS_DB, Rooms
from appliance.training.sounds import read_sounds

WINDOWS_AT_ONCE = 64
# A window judged in fp32, its DFT included, costs about as much as one trained on in bf16.
COST = 1.0
# Before anything was measured: windows judged, and clips read, in a second.
WINDOWS_A_SECOND, CLIPS_A_SECOND = 300.0, 100.0

# Recorded background that held-out sounds are laid over, in clips.
ROOMS = 8

Floats = NDArray[np.float32]
# Of one clip: logits [windows, classes], weights [windows], density [windows], density in rooms.
Answer = tuple[Floats, Floats, Floats | None, Floats | None]


def hop_samples(shape: FrontEnd) -> int:
    """How far the windows of a clip lie apart: a quarter of a window."""
    return shape.window_samples // 4


class Judge:
    """Judges clips and knows how long that takes."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._clip_s = 1 / CLIPS_A_SECOND
        self._window_s = COST / WINDOWS_A_SECOND
        self._rooms: Rooms | None = None

    def features_took(self, seconds: float) -> None:
        """How long it took to read all clips once."""
        self._clip_s = seconds / len(self._context.manifest.clips)

    def speed_is(self, windows_per_second: float) -> None:
        """How fast the network is trained."""
        self._window_s = COST / windows_per_second

    def expected_s(self, clips: Sequence[int]) -> float:
        """Seconds that judging these clips (positions in the manifest) will take."""
        shape, entries = self._context.shape, self._context.manifest.clips
        window_s, hop_s = shape.window_samples / shape.rate, hop_samples(shape) / shape.rate
        windows = sum(
            1 + math.ceil(max(0.0, entries[place].duration_s - window_s) / hop_s) for place in clips
        )
        windows += len(RATIOS_DB) * len(clips)
        return len(clips) * self._clip_s + windows * self._window_s

    def judge(
        self,
        backbone: Backbone,
        clips: Sequence[int],
        until_s: float,
        on_clip: Callable[[int], None] | None = None,
        examples: Tensor | None = None,
    ) -> list[Judgement]:
        """Judge clip after clip in fp32, until the clock says `until_s` (active seconds).
        examples: of familiarity.examples_of, to say how densely they lie around each window."""
        context = self._context
        entries = [context.manifest.clips[place] for place in clips]
        network = deployed_network(backbone, context.shape).to(context.device.torch_device)
        judged: list[Judgement] = []
        rooms = self._made_rooms() if examples is not None else None

        def work(samples: Floats) -> Answer:
            window, hop = context.shape.window_samples, hop_samples(context.shape)
            windows = cut_windows(samples, window, hop)
            device = context.device.torch_device
            logits, near = _said(network, windows, device, examples)
            weights, in_rooms = window_weights(windows), None
            if rooms is not None:
                loudest = windows[int(weights.argmax())]
                in_rooms = _said(network, rooms.over(loudest), device, examples)[1]
            return logits, weights, near, in_rooms

        paths = [entry.path for entry in entries]
        answers = read_sounds(paths, context.shape.rate, context.manifest.threads, work)
        for entry, answer in zip(entries, answers, strict=False):
            context.budget.tick()
            judged.append(Judgement(entry, *answer))
            if on_clip is not None:
                on_clip(len(judged))
            if context.budget.elapsed_s >= until_s:
                break
        answers.close()
        return judged

    def _made_rooms(self) -> Rooms:
        if self._rooms is None:
            manifest, rate = self._context.manifest, self._context.shape.rate
            quiet = [clip.path for clip in manifest.clips if clip.label == BACKGROUND]
            chosen = quiet[:: max(1, len(quiet) // ROOMS)][:ROOMS]
            sounds = read_sounds(chosen, rate, manifest.threads, lambda samples: samples)
            self._rooms = Rooms(rate, list(sounds))
        return self._rooms


@torch.no_grad()
def _said(
    network: DeployedNetwork,
    windows: Floats,
    device: torch.device,
    examples: Tensor | None,
) -> tuple[Floats, Floats | None]:
    """Logits [windows, classes] and density [windows], a limited number of windows at once."""
    logits, near = [], []
    for first in range(0, len(windows), WINDOWS_AT_ONCE):
        part = torch.from_numpy(windows[first : first + WINDOWS_AT_ONCE]).to(device)
        embedding = network.embed(part)
        logits.append(network.backbone.head(embedding).cpu().numpy())
        if examples is not None:
            near.append(density(embedding.cpu(), examples)[:, 0].numpy())
    return np.concatenate(logits), np.concatenate(near) if near else None


def reference_windows(
    context: Context, clips: Sequence[int], most: int
) -> tuple[Floats, NDArray[np.int64]]:
    """The loudest window of up to `most` clips, classes in turn: [k, window], class index [k]."""
    manifest, shape = context.manifest, context.shape
    by_class: dict[str, list[int]] = {name: [] for name in manifest.classes}
    for place in clips:
        by_class[manifest.clips[place].label].append(place)
    turns = max(len(own) for own in by_class.values())
    chosen = [own[turn] for turn in range(turns) for own in by_class.values() if turn < len(own)]
    chosen = chosen[:most]
    paths = [manifest.clips[place].path for place in chosen]

    def loudest(samples: Floats) -> Floats:
        cut = cut_windows(samples, shape.window_samples, hop_samples(shape))
        window: Floats = cut[int(window_weights(cut).argmax())]
        return window

    windows = list(read_sounds(paths, shape.rate, manifest.threads, loudest))
    labels = np.array([manifest.targets[place] for place in chosen], dtype=np.int64)
    return np.stack(windows), labels
