"""The order of work in a training: features, the version, the folds, then the result."""

from __future__ import annotations

import logging
import math
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from appliance.errors import TrainingError
from appliance.library.plan import HOLDOUT, Plan
from appliance.training import checkpoint as checkpoints
from appliance.training.checkpoint import Checkpoint
from appliance.training.clock import BudgetClock
from appliance.training.context import make_context
from appliance.training.familiarity import examples_of
from appliance.training.finish import EXPORT_S, finish
from appliance.training.judge import Judge
from appliance.training.loop import Length, TrainState, new_state, train
from appliance.training.manifest import Manifest
from appliance.training.phases import Phase
from appliance.training.planning import (
    batch_maker,
    guessed_plan,
    known_plan,
    make_plan,
    measured_speed,
)
from appliance.training.recipe import Recipe
from appliance.training.remaining import most_steps, step_seconds
from appliance.training.start import continue_from, new_backbone
from appliance.training.state import (
    Reached,
    average_of,
    has_training,
    reached_of,
    restore_training,
)
from appliance.training.store import FeatureStore, compute_store
from appliance.training.watch import Checkpointer, Watch

log = logging.getLogger(__name__)

# What finishing may take after a cancellation, and in a salvage.
CANCELLED_S = 6.0
SALVAGE_S = 25.0
# A judging network that got fewer steps would say nothing.
FEWEST_STEPS = 10


class Run:
    """One attempt at a job, from its folder's manifest to `result/`."""

    def __init__(
        self, folder: Path, manifest: Manifest, budget: BudgetClock, on_cpu: bool = False
    ) -> None:
        """on_cpu: leave a GPU alone; it may be what made a job fail that is salvaged now."""
        self._context = make_context(folder, manifest, budget, on_cpu)
        self._judge = Judge(self._context)
        self._reached = Reached()
        self._checkpoints = folder / "checkpoints"
        self._speed: float | None = None

    def execute(self) -> None:
        """Train as planned and write the result. Continues from a checkpoint when there is one."""
        context = self._context
        plan = known_plan(context)
        saved = checkpoints.load_newest(self._checkpoints) if plan is not None else None
        if saved is not None:
            self._reached = reached_of(saved, context.manifest)
            log.info("continuing in phase %d", self._reached.phase)
            if plan is not None and self._reached.step_s:
                self._judge.speed_is(plan.batch / self._reached.step_s)
        self._checkpointer = Checkpointer(context, self._reached)
        if plan is None or self._reached.phase < len(context.phases):
            plan = self._train(plan, saved)
        if context.budget.cancelled:
            stopped, allowance = "cancelled", CANCELLED_S
        else:
            stopped = "time limit" if self._reached.time_was_up else "converged"
            allowance = max(context.budget.remaining_s - EXPORT_S / 2, CANCELLED_S)
        if self._reached.version is None and saved is not None:
            self._reached.version = average_of(saved)  # cancelled while the clips were read again
        if self._reached.version is None:
            raise TrainingError("cancelled", "cancelled before anything was learned")
        finish(context, plan, self._reached, self._judge, stopped, allowance, self._speed)

    def _train(self, plan: Plan | None, saved: Checkpoint | None) -> Plan:
        """Features, the plan unless there is one, and the phases that are left."""
        context = self._context
        store = self._features(plan, saved)
        if context.budget.cancelled:
            return plan or guessed_plan(context)
        if plan is None:
            if context.manifest.steps is None:
                self._speed = measured_speed(context, store)
                self._judge.speed_is(self._speed)
            plan = make_plan(context, self._speed, self._tail_s(plan))
            if self._speed:
                self._reached.step_s = plan.batch / self._speed
        log.info("plan: %s", plan)
        while self._reached.phase < len(context.phases) and not context.budget.cancelled:
            phase = context.phases[self._reached.phase]
            if phase.steps(plan):
                self._work_on(phase, plan, store, saved)
            else:
                self._reached.phase += 1
            saved = None
        return plan

    def salvage(self) -> None:
        """Make a result of the newest checkpoint, without further training."""
        context = self._context
        saved = checkpoints.load_newest(self._checkpoints)
        plan = known_plan(context)
        if saved is None or plan is None:
            raise TrainingError("crashed", "there is no checkpoint to make a version of")
        self._reached = reached_of(saved, context.manifest)
        if self._reached.version is None:
            self._reached.version = average_of(saved)
        used_up = context.manifest.used_s >= context.manifest.budget_s
        stopped = "time limit" if used_up else "cancelled"
        finish(context, plan, self._reached, self._judge, stopped, SALVAGE_S, None)

    def _features(self, plan: Plan | None, saved: Checkpoint | None) -> FeatureStore:
        """The clips as log-mels. `plan`: of an earlier attempt, None while there is none."""
        context = self._context
        clips = context.manifest.clips
        begun = context.budget.elapsed_s
        guessed = guessed_plan(context)
        later_s = self._after_features_s(plan, saved) if plan else 0.0

        def on_clip(done: int) -> bool:
            context.budget.tick()
            if context.progress.due():
                elapsed = context.budget.elapsed_s
                reading_s = (elapsed - begun) / done * (len(clips) - done)
                left = reading_s + later_s if plan else guessed.seconds - elapsed
                context.progress.write(
                    "features", left, step=done, steps=len(clips), planned=plan is not None
                )
            return not context.budget.cancelled

        store = compute_store(
            [clip.path for clip in clips],
            context.shape,
            context.manifest.threads,
            context.device.torch_device,
            on_clip,
        )
        self._judge.features_took(context.budget.elapsed_s - begun)
        return store

    def _after_features_s(self, plan: Plan, saved: Checkpoint | None) -> float:
        """Seconds from the clips read to the result, where an earlier attempt had come so far."""
        done = saved.state["step"] or 0 if saved else 0
        steps = most_steps(self._context.phases[self._reached.phase :], plan) - done
        return max(steps, 0.0) * step_seconds(self._reached, plan) + self._tail_s(plan)

    def _work_on(
        self, phase: Phase, plan: Plan, store: FeatureStore, saved: Checkpoint | None
    ) -> None:
        """Train one network, and judge what it has not seen."""
        context, reached = self._context, self._reached
        recipe = context.recipe(plan)
        training = self._start(phase, recipe, saved)
        if saved is None or not has_training(saved):
            reached.started_s = context.budget.elapsed_s
        length = self._length(phase, plan)
        watch = Watch(
            context, reached, phase, plan, length, store, self._checkpointer, self._tail_s(plan)
        )
        outcome = train(
            training,
            batch_maker(context, store, phase.train, recipe, plan.batch, phase.seed),
            length,
            recipe,
            context.device,
            context.budget,
            context.manifest.threads,
            watch.on_step,
        )
        if phase.makes_version:
            if training.step == 0 and outcome == "time limit":
                raise TrainingError(
                    "time limit",
                    "the limit passed while the clips were read",
                    "allow more minutes, or train on fewer clips",
                )
            if training.step > 0:
                reached.version = dict(training.average.state_dict())
                reached.examples = self._examples(phase, plan, training, store)
            reached.time_was_up = outcome == "time limit"
        elif outcome != "cancelled" and training.step >= min(FEWEST_STEPS, length.steps // 2):
            # The plan kept time for this; what it took longer may come out of the reserve.
            until = context.budget.elapsed_s + context.budget.remaining_s - EXPORT_S / 2
            examples = self._examples(phase, plan, training, store)
            found = self._judge.judge(training.average, phase.held_out, until, examples=examples)
            if phase.strangers:
                reached.strange = found
            else:
                reached.judged += found
        reached.phase += 1
        self._checkpointer.save(None)

    def _examples(
        self, phase: Phase, plan: Plan, training: TrainState, store: FeatureStore
    ) -> Tensor:
        """What this network was taught, as it sees it: for familiarity."""
        context = self._context
        plain = replace(context.recipe(plan), mixing=0.0, frequency_mask=0, time_mask_share=0.0)
        maker = batch_maker(context, store, phase.train, plain, plan.batch, phase.seed + 1)
        return examples_of(training.average, maker, context.device)

    def _start(self, phase: Phase, recipe: Recipe, saved: Checkpoint | None) -> TrainState:
        context = self._context
        backbone = new_backbone(len(context.manifest.classes), recipe, phase.seed)
        if context.initial is not None:
            initial = context.initial
            continue_from(backbone, initial.weights, initial.classes, context.manifest.classes)
        training = new_state(backbone, recipe, context.device)
        if saved is not None and has_training(saved):
            restore_training(saved, training)
        return training

    def _length(self, phase: Phase, plan: Plan) -> Length:
        """Steps by the plan; by the clock, this phase's share of what is left."""
        context, reached = self._context, self._reached
        steps = phase.steps(plan)
        rest = context.phases[reached.phase :]
        left = max(context.budget.remaining_s - self._tail_s(plan), 0.0)
        if plan.limited:
            left *= steps / sum(item.steps(plan) for item in rest)
        until = context.budget.elapsed_s + left
        if context.manifest.steps is not None:
            return Length(steps, reached.started_s, until, "none")
        if plan.limited:
            enough = math.ceil(steps * plan.room)
            return Length(steps, reached.started_s, until, "whole", enough)
        return Length(steps, reached.started_s, until, "guard")

    def _tail_s(self, plan: Plan | None) -> float:
        """What judging and exporting will still take, in seconds. Without a plan, what a network
        that may be left out would add is not counted: the plan leaves room for it."""
        context = self._context
        rest = context.phases[self._reached.phase :]
        if context.manifest.protocol == HOLDOUT and (plan is None or not plan.folds):
            rest = rest[:1]
        return EXPORT_S + sum(self._judge.expected_s(phase.held_out) for phase in rest)
