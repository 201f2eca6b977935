"""Which clips come, and what the network is shown of them."""

from __future__ import annotations

import numpy as np
import torch

from appliance.training.augment import BatchMaker, mix
from appliance.training.crops import SILENCE, Strips
from appliance.training.features import FrontEnd, relative_level
from appliance.training.recipe import Recipe, front_end, make_recipe
from appliance.training.sampling import ClipOrder
from appliance.training.store import FeatureStore

SHAPE = FrontEnd(frames=48)


def toy_store(lengths: list[int]) -> FeatureStore:
    """Clip i is a steady tone in mel band 4 * i over silence."""
    spectra = []
    for place, length in enumerate(lengths):
        spectrum = torch.full((SHAPE.mels, length), SILENCE)
        spectrum[4 * place : 4 * place + 4] = -3.0
        spectra.append(spectrum)
    return FeatureStore(spectra)


def maker(store: FeatureStore, recipe: Recipe, background: int | None = None) -> BatchMaker:
    targets = list(range(len(store)))
    return BatchMaker(store, targets, targets, len(store), background, SHAPE, recipe, 32, seed=4)


def test_equal_classes_come_once_an_epoch() -> None:
    order = ClipOrder([0, 0, 1, 1, 2, 2], balance=0.25, seed=1)
    epochs = order.take(0, 60).reshape(10, 6)
    assert all(sorted(epoch) == [0, 1, 2, 3, 4, 5] for epoch in epochs.tolist())
    assert len({tuple(epoch) for epoch in epochs.tolist()}) > 5


def test_small_classes_come_more_often_than_their_size() -> None:
    counts = [382, 27, 24, 16, 8]
    targets = np.repeat(np.arange(5), counts)
    drawn = targets[ClipOrder(targets.tolist(), balance=0.25, seed=1).take(0, 457 * 20)]
    shares = np.bincount(drawn) / len(drawn)
    wanted = np.array(counts) ** 0.25
    np.testing.assert_allclose(shares, wanted / wanted.sum(), atol=0.01)


def test_order_can_be_entered_anywhere() -> None:
    order = ClipOrder([0, 0, 0, 1], balance=0.25, seed=1)
    again = ClipOrder([0, 0, 0, 1], balance=0.25, seed=1)
    assert order.take(0, 30)[17:23].tolist() == again.take(17, 6).tolist()


def test_a_batch_depends_on_its_step_alone() -> None:
    store = toy_store([40, 100, 48, 300])
    recipe = Recipe(background=0.5)
    first, second = maker(store, recipe, background=3), maker(store, recipe, background=3)
    for step in (5, 2, 900):
        first.make(step)
    ours, theirs = first.make(77), second.make(77)
    assert torch.equal(ours.spectra, theirs.spectra)
    assert torch.equal(ours.targets, theirs.targets)
    assert torch.equal(ours.keep, theirs.keep)
    assert not torch.equal(ours.spectra, first.make(78).spectra)


def test_a_batch_has_the_network_s_shape_and_range() -> None:
    batch = maker(toy_store([3, 100, 48, 300]), Recipe(background=0.5), background=3).make(0)
    assert batch.spectra.shape == (32, SHAPE.mels, SHAPE.frames)
    assert torch.isfinite(batch.spectra).all()
    torch.testing.assert_close(batch.targets.sum(1), torch.ones(32))
    assert len({tuple(row) for row in batch.targets.tolist()}) > 4  # mixed and plain


def test_parts_of_a_batch_hold_different_clips() -> None:
    plain = Recipe(mixing=0.0, label_smoothing=0.0)
    batches = maker(toy_store([60] * 16), plain)
    classes = [batches.make(0, part, 2).targets.argmax(1).tolist() for part in (0, 1)]
    assert sorted(classes[0] + classes[1]) == sorted(list(range(16)) * 2)


def test_short_sounds_stand_anywhere_and_not_only_on_zeros() -> None:
    store = toy_store([10, 10])
    strips = Strips(store, torch.tensor([0, 1]), [], None, SHAPE, Recipe())
    drawn = strips.draw(torch.zeros(400, dtype=torch.int64), torch.Generator().manual_seed(1))
    margin = (strips.length - SHAPE.frames) // 2
    window = drawn[:, margin : margin + SHAPE.frames]
    sounding = window[:, :, 1] > -4.0
    first = sounding.int().argmax(1)
    assert first.min() == 0
    assert first.max() >= SHAPE.frames - 10
    assert (sounding.sum(1) >= 8).all()  # at most a fifth sticks out
    on_zeros = (window[:, :, 60] < SILENCE + 0.1).all(1).float().mean()
    assert 0.15 < float(on_zeros) < 0.35


def test_long_sounds_begin_and_end_within_the_window_and_background_never_does() -> None:
    store = toy_store([200, 200])
    recipe = Recipe(part=0.5, noise=0.0)
    strips = Strips(store, torch.tensor([0, 1]), [1], 1, SHAPE, recipe)
    margin = (strips.length - SHAPE.frames) // 2

    def sounding(clip: int) -> torch.Tensor:
        drawn = strips.draw(torch.full((400,), clip), torch.Generator().manual_seed(1))
        return drawn[:, margin : margin + SHAPE.frames, 4 * clip + 1] > -4.0

    sound = sounding(0)
    share = sound.float().mean(1)
    assert 0.4 < float((share < 1).float().mean()) < 0.6
    assert float(share.min()) > 0.28  # enough is left
    parts = sound[share < 1]
    begins, ends = parts[:, -1], parts[:, 0]
    assert (begins ^ ends).all()
    assert 0.3 < float(begins.float().mean()) < 0.7
    assert sounding(1).all()


def test_background_lies_under_sounds_and_stays_below_them() -> None:
    store = toy_store([100, 100])
    store.frames[100:, 4:8] += 2.0  # the background is louder than the sound
    strips = Strips(store, torch.tensor([0, 1]), [1], 1, SHAPE, Recipe(background=1.0, noise=0.0))
    drawn = strips.draw(torch.tensor([0] * 50), torch.Generator().manual_seed(1))
    relative = relative_level(drawn.transpose(1, 2))
    assert (relative[:, 5].amax(1) > -14).all()
    assert (relative[:, 5].amax(1) < relative[:, 1].amax(1)).all()
    own = strips.draw(torch.tensor([1] * 50), torch.Generator().manual_seed(1))
    assert (own[:, :, 1] < SILENCE + 0.1).all()  # background is not mixed with itself


def test_a_sound_over_background_is_that_sound() -> None:
    one_hot = torch.eye(3)
    silent = torch.full((600, 2, 4), -9.0)
    labels = torch.arange(600) % 3
    others = (labels + 1 + torch.arange(600) // 3 % 2) % 3
    _, targets = mix(
        (silent, one_hot[labels]), (silent, one_hot[others]), 2, torch.Generator().manual_seed(1)
    )
    with_background = (labels == 2) | (others == 2)
    audible = targets[with_background, :2].amax(1)
    assert ((audible == 1) | (audible < 0.2)).all()
    assert (audible == 1).float().mean() > 0.7
    between = targets[~with_background]
    assert (between[:, 2] == 0).all()
    assert (between.amax(1) < 1).float().mean() > 0.95


def test_the_window_follows_the_clips() -> None:
    long = front_end([5.0] * 10, [44100] * 10, 16000)
    assert 2.4 < long.window_samples / 16000 < 2.7
    assert long.high_hz == 8000
    short = front_end([0.4] * 10, [8000] * 10, 16000)
    assert 0.9 < short.window_samples / 16000 < 1.15
    assert short.high_hz == 4000
    mixed = front_end([0.4, 1.5, 1.9, 2.0], [48000] * 4, 16000)
    assert 1.8 < mixed.window_samples / 16000 < 2.2
    assert all(shape.frames % 16 == 0 for shape in (long, short, mixed))


def test_regularisation_grows_with_the_training() -> None:
    brief, usual, long = (make_recipe(e, e * 320, False) for e in (40, 150, 800))
    assert brief.mixing == brief.time_mask_share == brief.frequency_mask == 0
    assert 0 < usual.mixing < long.mixing == Recipe.mixing
    assert make_recipe(100, 32_000, True).background > 0
