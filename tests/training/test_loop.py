"""The training loop: its schedule, its end by the clock, exact continuation, divergence."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest
import torch

from appliance.errors import TrainingError
from appliance.training.augment import Batch, BatchMaker
from appliance.training.clock import BudgetClock
from appliance.training.device import Device, choose_device, cpu_multiplies_bf16
from appliance.training.loop import Length, TrainState, learning_rate, new_state, train
from appliance.training.recipe import Recipe
from appliance.training.shards import _Ahead, _Parts, batch_loss
from appliance.training.start import continue_from, new_backbone
from appliance.training.state import Reached, restore_training, to_checkpoint
from tests.training.test_batches import SHAPE, toy_store

RECIPE = replace(Recipe(), widths=(8, 8, 8, 8))
# One sound at a time, in its own bands: what can be told apart without doubt.
PLAIN = replace(RECIPE, mixing=0.0, shift_bands=0.0, scale_bands=0.0, frequency_mask=0)
LENGTHS = [30, 100, 48, 300]


@pytest.fixture(scope="module")
def device() -> Device:
    return choose_device(2)


def batches(recipe: Recipe = RECIPE) -> BatchMaker:
    store = toy_store(LENGTHS)
    targets = list(range(len(LENGTHS)))
    return BatchMaker(store, targets, targets, len(targets), 3, SHAPE, recipe, 32, seed=4)


def fresh(device: Device) -> TrainState:
    return new_state(new_backbone(len(LENGTHS), RECIPE, seed=1), RECIPE, device)


def run(state: TrainState, device: Device, length: Length, steps: int | None = None) -> str:
    budget = BudgetClock(1e6)

    def on_step(training: TrainState, _rate: float) -> None:
        if training.step == steps:
            budget.cancel()

    return train(state, batches(), length, RECIPE, device, budget, 2, on_step)


def endless(steps: int) -> Length:
    return Length(steps, 0.0, 1e9, "none")


def test_the_rate_warms_up_and_comes_down() -> None:
    rates = [learning_rate(RECIPE, share / 100) for share in range(101)]
    peak = rates.index(max(rates))
    assert 9 <= peak <= 11
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert rates[-1] < rates[peak] / 500


def test_a_slow_machine_still_comes_down() -> None:
    length = Length(steps=1000, started_s=100.0, until_s=200.0, clock="guard")
    assert length.share(step=100, elapsed_s=110.0) == pytest.approx(0.1)
    assert length.share(step=100, elapsed_s=190.0) == pytest.approx(0.9)
    assert length.share(step=900, elapsed_s=110.0) == pytest.approx(0.9)
    given = replace(length, clock="none")
    assert given.share(step=100, elapsed_s=190.0) == pytest.approx(0.1)
    assert given.expected_steps(100, 190.0) == 1000


def test_a_limit_is_used_whole() -> None:
    length = Length(steps=1000, started_s=100.0, until_s=200.0, clock="whole")
    assert length.share(step=900, elapsed_s=110.0) == pytest.approx(0.1)
    assert length.expected_steps(900, 110.0) == 9000
    assert length.share(step=5, elapsed_s=201.0) == 1.0
    # Measured in a busy moment, planned short, and then quick: no more than the set can give.
    roomy = replace(length, enough=2000)
    assert roomy.share(step=1000, elapsed_s=110.0) == pytest.approx(0.5)
    assert roomy.expected_steps(900, 110.0) == 2000
    assert roomy.share(step=2000, elapsed_s=120.0) == 1.0


def test_it_learns_and_the_average_with_it(device: Device) -> None:
    state = fresh(device)
    assert run(state, device, endless(120)) == "done"
    assert state.step == 120
    assert state.loss is not None
    made = [batches(PLAIN).make(step) for step in range(3)]
    with torch.no_grad():
        found = [
            state.average(batch.spectra).argmax(1) == batch.targets.argmax(1) for batch in made
        ]
    assert torch.cat(found).float().mean() > 0.7


def test_stopping_and_continuing_changes_no_bit(device: Device, tmp_path: Path) -> None:
    straight = fresh(device)
    run(straight, device, endless(24))
    broken = fresh(device)
    assert run(broken, device, endless(24), steps=11) == "cancelled"
    saved = to_checkpoint(Reached(), broken)
    resumed = fresh(device)
    restore_training(saved, resumed)
    assert resumed.step == 11
    run(resumed, device, endless(24))
    for ours, theirs in (
        (straight.network, resumed.network),
        (straight.average, resumed.average),
    ):
        for name, tensor in ours.state_dict().items():
            assert torch.equal(tensor, theirs.state_dict()[name]), name


def test_batches_made_ahead_give_the_same_gradients(device: Device) -> None:
    """The way that a GPU takes, on the CPU: one part, batches from other threads."""
    exact = replace(device, precision=None)
    straight, ahead = fresh(exact).network, fresh(exact).network
    maker = batches()
    with ThreadPoolExecutor(2) as pool:
        one = _Parts(straight, maker, exact, pool, 1)
        other = _Ahead(ahead, maker, exact, pool, first=3)
        for step in (3, 4):
            torch.testing.assert_close(one.step(step), other.step(step))
    for ours, theirs in zip(straight.parameters(), ahead.parameters(), strict=True):
        torch.testing.assert_close(ours.grad, theirs.grad, atol=5e-4, rtol=1e-2)


def test_parts_add_up_to_the_batch(device: Device) -> None:
    """Two threads with half a batch each: the gradient of the mean loss over all of it."""
    exact = replace(device, precision=None)
    network, maker = fresh(exact).network.eval(), batches()  # batch statistics would differ
    with ThreadPoolExecutor(2) as pool:
        loss = _Parts(network, maker, exact, pool, 2).step(5)
    found = [parameter.grad.clone() for parameter in network.parameters()]
    halves = [maker.make(5, part, 2) for part in (0, 1)]
    joined = Batch(*(torch.cat([getattr(h, f.name) for h in halves]) for f in fields(Batch)))
    network.zero_grad()
    expected = batch_loss(network, joined, exact)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach())
    for gradient, parameter in zip(found, network.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, atol=1e-5, rtol=1e-3)


def test_the_clock_ends_it(device: Device) -> None:
    state = fresh(device)
    budget = BudgetClock(1e6)
    now = budget.elapsed_s
    length = Length(10**9, now, now + 0.5, "guard")
    outcome = train(state, batches(), length, RECIPE, device, budget, 2, lambda _s, _r: None)
    assert outcome == "time limit"


def test_a_loss_that_is_no_number_ends_it_by_name(device: Device) -> None:
    state = fresh(device)
    with torch.no_grad():
        state.network.head.weight[0, 0] = float("nan")
    with pytest.raises(TrainingError) as caught:
        run(state, device, endless(30))
    assert caught.value.reason == "diverged"
    assert caught.value.advice


def test_continuing_takes_over_the_classes_that_are_known() -> None:
    old = new_backbone(3, RECIPE, seed=1)
    new = new_backbone(3, RECIPE, seed=2)
    before = new.head.weight.clone()
    taken = continue_from(new, dict(old.state_dict()), ["cat", "dog", "owl"], ["owl", "fox", "cat"])
    assert taken == len(old.state_dict())
    assert torch.equal(new.stem.conv.weight, old.stem.conv.weight)
    assert torch.equal(new.head.weight[0], old.head.weight[2])
    assert torch.equal(new.head.weight[2], old.head.weight[0])
    assert torch.equal(new.head.weight[1], before[1])
    wider = new_backbone(3, replace(RECIPE, widths=(8, 8, 8, 16)), seed=2)
    assert 0 < continue_from(wider, dict(old.state_dict()), ["a"], ["a", "b", "c"]) < taken


def test_bf16_is_used_where_the_processor_multiplies_it(tmp_path: Path) -> None:
    info = tmp_path / "cpuinfo"
    for flags, expected in (
        ("flags : fpu avx512f avx512_bf16", True),
        ("Features : fp asimd bf16 i8mm", True),
        ("flags : fpu avx2", False),
    ):
        info.write_text(flags)
        cpu_multiplies_bf16.cache_clear()
        assert cpu_multiplies_bf16(info) is expected
    cpu_multiplies_bf16.cache_clear()
