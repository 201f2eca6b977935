"""What lies near what was taught is familiar, and nothing else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from appliance.training.evaluate import Judgement
from appliance.training.familiarity import Familiarity, Scale, density, fit_scale
from appliance.training.manifest import ClipEntry
from appliance.training.unknown import unknown_figures


def directions(middle: int, count: int, seed: int) -> torch.Tensor:
    """Unit vectors [count, 16] around one axis."""
    draw = torch.Generator().manual_seed(seed)
    rows = 0.15 * torch.randn(count, 16, generator=draw)
    rows[:, middle] += 1
    return rows / rows.norm(dim=1, keepdim=True)


def clip(number: int, label: str) -> ClipEntry:
    return ClipEntry(number, Path("x"), label, number, None, 1.0, 0)


def judged(label: str, index: int, near: torch.Tensor) -> list[Judgement]:
    """One window a clip, every one of them sure of class `index`."""
    logits = np.full((1, 3), -4.0, dtype=np.float32)
    logits[0, index] = 4.0
    return [
        Judgement(clip(number, label), logits, np.ones(1, np.float32), row.numpy())
        for number, row in enumerate(near)
    ]


def test_held_out_sounds_of_known_classes_are_familiar_and_others_are_not() -> None:
    examples = torch.cat([directions(0, 200, 1), directions(1, 200, 2)])
    known = judged("dog", 0, density(directions(0, 60, 3), examples))
    scale = fit_scale(known)
    assert scale is not None
    familiar = Familiarity(examples, scale)
    # However loud an embedding is, its direction says what it is.
    assert (familiar(7.0 * directions(0, 60, 4)) > 0.5).float().mean() > 0.9
    assert familiar(directions(5, 60, 5)).max() < 0.05
    assert familiar(torch.zeros(1, 16)).item() < 0.05


def test_few_windows_are_no_ground_for_calling_anything_strange() -> None:
    assert fit_scale(judged("dog", 0, torch.zeros(5, 1))) is None
    assert Scale(0.0, 1.0).of(np.zeros(2, np.float32)).tolist() == [0.5, 0.5]


def test_the_figure_on_held_out_classes_counts_what_passes_for_a_known_sound() -> None:
    classes = ("background", "dog", "tick")
    examples = directions(0, 200, 1)
    known = judged("dog", 1, density(directions(0, 60, 3), examples))
    unknown = judged("tick", 1, density(directions(5, 40, 4), examples))
    figures = unknown_figures([*known, *unknown], classes, 1.0, {"tick"})
    assert figures is not None
    # The softmax is as sure of the unknown ones as of the dogs.
    assert figures["without_rejection"] == 1.0
    assert figures["reported"] == 0.0
    assert (figures["clips"], figures["known_clips"]) == (40, 60)
    assert unknown_figures(known, classes, 1.0, {"tick"}) is None
