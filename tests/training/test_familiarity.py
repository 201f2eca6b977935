"""What lies near what was taught is familiar, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from appliance.library.plan import HOLDOUT, plan_training
from appliance.training.evaluate import Judgement
from appliance.training.familiarity import Familiarity, Scale, density, fit_scale
from appliance.training.manifest import ClipEntry
from appliance.training.rooms import RATIOS_DB, Rooms
from appliance.training.unknown import unknown_figures, why_unknown


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


def test_copies_of_one_recording_are_familiar_in_a_noisy_room() -> None:
    draw = np.random.default_rng(0)
    clean = -1.5 + 0.02 * draw.standard_normal(60).astype(np.float32)
    copies = [
        replace(one, in_rooms=np.array([-1.8, -2.6], np.float32))
        for one in judged("alarm", 0, torch.from_numpy(clean)[:, None])
    ]
    scale = fit_scale(copies)
    assert scale is not None
    assert scale.of(np.array([-1.5, -2.0, -2.5], np.float32)).min() > 0.6
    assert scale.of(np.array([-6.0], np.float32)).max() < 0.01
    alone = fit_scale(judged("alarm", 0, torch.from_numpy(clean)[:, None]))
    assert alone is not None
    assert alone.of(np.array([-2.5], np.float32)).max() < 0.01, "what the rooms are for"


def test_a_sound_stands_over_the_noise_of_rooms_at_known_ratios() -> None:
    time = np.arange(16_000) / 16_000
    beep = (0.1 * np.sin(2 * np.pi * 2_000 * time) * (time < 0.3)).astype(np.float32)
    recorded = (0.3 * np.sin(2 * np.pi * 300 * time)).astype(np.float32)
    for rooms in (Rooms(16_000), Rooms(16_000, [recorded, np.zeros(800, np.float32)])):
        in_rooms = rooms.over(beep)
        for row, ratio in zip(in_rooms, RATIOS_DB, strict=True):
            noise = float(np.sqrt(np.mean(np.square(row - beep, dtype=np.float64))))
            assert 20 * np.log10(0.1 / np.sqrt(2) / noise) == pytest.approx(ratio, abs=0.2)
        np.testing.assert_array_equal(rooms.over(beep), in_rooms)
    assert np.isfinite(Rooms(16_000).over(np.zeros(16_000, np.float32))).all()


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


def test_a_version_without_the_figure_says_why() -> None:
    named = ("a", "b", "background", "c", "d")
    spared = plan_training(400, 5, 2000.0, 1e6, HOLDOUT, 900.0, spared=1)
    cut = plan_training(400, 5, 2000.0, 60.0, HOLDOUT, 900.0, spared=1)
    assert why_unknown(named, spared, 100) is None
    for found, word in (
        (why_unknown(("a", "b", "background", "c"), spared, 0), "at least 4 classes"),
        (why_unknown(named, cut, 0), "the limit left no time"),
        (why_unknown(named, spared, 0), "ended before"),
    ):
        assert found is not None
        assert word in found
