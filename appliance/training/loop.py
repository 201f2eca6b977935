"""The training loop: AdamW, a cosine that follows the plan, averaged weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor

from appliance.errors import TrainingError
from appliance.training.augment import BatchMaker
from appliance.training.clock import BudgetClock
from appliance.training.device import Device
from appliance.training.network import Backbone
from appliance.training.recipe import Recipe
from appliance.training.shards import gradients

# The loss is looked at this often; on a GPU each look waits for it.
LOOK_EVERY = 10
# Share of the highest learning rate that is left at the end.
LAST_RATE = 1e-3


@dataclass
class TrainState:
    """All that a phase of training changes."""

    network: Backbone
    average: Backbone
    optimizer: torch.optim.Optimizer
    step: int = 0
    loss: float | None = None
    curves: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Length:
    """How long a phase lasts: `steps` as planned, at most until the clock says `until_s`.

    clock: "none" when the steps were given: nothing but them decides, and the result can be
    repeated. "guard" when the set needs no more than the steps: a machine that turns slower than
    planned still brings the learning rate down before time is up. "whole" when the limit cut the
    plan short: all of the time is used, and the steps are what was expected, but no more than
    `enough`, from where the set has nothing more to give.
    """

    steps: int
    started_s: float
    until_s: float
    clock: Literal["none", "guard", "whole"]
    enough: int | None = None

    def share(self, step: int, elapsed_s: float) -> float:
        """The share of the phase that is behind: 0 to 1."""
        by_steps = step / self.steps
        by_clock = (elapsed_s - self.started_s) / max(self.until_s - self.started_s, 1e-6)
        if self.clock == "whole":
            return min(1.0, max(by_clock, step / self.enough if self.enough else 0.0))
        return min(1.0, by_steps if self.clock == "none" else max(by_steps, by_clock))

    @property
    def goal(self) -> int:
        """The steps after which the phase has all that it could profit from."""
        return self.enough or self.steps

    def expected_steps(self, step: int, elapsed_s: float) -> int:
        """How many steps it will be in all, at the speed so far."""
        if self.clock != "whole" or step == 0:
            return self.steps
        return max(step, round(step / max(self.share(step, elapsed_s), 1e-6)))


def new_state(network: Backbone, recipe: Recipe, device: Device) -> TrainState:
    """A fresh optimizer and average around `network`; weights only decay where they multiply."""
    network = network.to(device.torch_device)
    network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    average = copy.deepcopy(network).eval().requires_grad_(False)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]
    optimizer = torch.optim.AdamW(
        [
            {"params": decayed, "weight_decay": recipe.weight_decay},
            {"params": plain, "weight_decay": 0.0},
        ],
        lr=recipe.learning_rate,
        betas=(0.9, 0.98),
        fused=True,
    )
    return TrainState(network, average, optimizer)


def train(
    state: TrainState,
    maker: BatchMaker,
    length: Length,
    recipe: Recipe,
    device: Device,
    budget: BudgetClock,
    threads: int,
    on_step: Callable[[TrainState, float], None],
) -> str:
    """Train until the plan is done, time is up or the job is cancelled.

    Returns "done", "time limit" or "cancelled". `on_step(state, learning_rate)` is called after
    every step. Raises TrainingError("diverged") when the loss is no longer a number.
    """
    state.network.train()
    total = torch.zeros((), device=device.torch_device)
    with gradients(state.network, maker, device, threads, state.step) as compute:
        while True:
            budget.tick()
            elapsed = budget.elapsed_s
            share = length.share(state.step, elapsed)
            if budget.cancelled:
                return "cancelled"
            if share >= 1 or elapsed >= length.until_s:
                return "done" if state.step >= length.goal else "time limit"
            rate = learning_rate(recipe, share)
            for group in state.optimizer.param_groups:
                group["lr"] = rate
            total += compute.step(state.step)
            state.optimizer.step()
            state.step += 1
            _average(state, recipe.averaging)
            if state.step % LOOK_EVERY == 0:
                state.loss = _looked_at(total, state.step)
            on_step(state, rate)


def _looked_at(total: Tensor, step: int) -> float:
    """The mean loss of the last steps; starts counting anew."""
    loss = float(total) / LOOK_EVERY
    total.zero_()
    if not math.isfinite(loss):
        raise diverged("loss", step)
    return loss


def diverged(what: str, step: int) -> TrainingError:
    """The training has left the numbers."""
    return TrainingError(
        "diverged",
        f"the {what} became infinite or undefined at step {step}",
        "look for broken clips (clicks, wrong labels); then submit the job again",
    )


def learning_rate(recipe: Recipe, share: float) -> float:
    """A linear warm-up, then half a cosine."""
    if share < recipe.warm_up:
        return recipe.learning_rate * max(share / recipe.warm_up, LAST_RATE)
    rest = (share - recipe.warm_up) / (1 - recipe.warm_up)
    return recipe.learning_rate * (0.5 * (1 + math.cos(math.pi * rest)) + LAST_RATE)


@torch.no_grad()
def _average(state: TrainState, averaging: float) -> None:
    """Move the averaged weights towards the present ones; faster at the start."""
    weight = 1 - min(averaging, (1 + state.step) / (10 + state.step))
    for kept, present in zip(
        state.average.state_dict().values(), state.network.state_dict().values(), strict=True
    ):
        if kept.dtype.is_floating_point:
            kept.lerp_(present, weight)
        else:
            kept.copy_(present)
