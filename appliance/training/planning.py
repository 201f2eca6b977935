"""The plan of this run: stored in steps before the training starts."""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, replace

from appliance.library.plan import (
    FEWEST_FOLD_STEPS,
    Plan,
    batch_size,
    plan_training,
)
from appliance.training.augment import BatchMaker
from appliance.training.checkpoint import sync
from appliance.training.context import Context
from appliance.training.loop import Length, new_state, train
from appliance.training.recipe import Recipe
from appliance.training.start import new_backbone
from appliance.training.store import FeatureStore

log = logging.getLogger(__name__)

FIRST_STEPS = 3  # the first steps build kernels and are not typical
MEASURED_S = 1.0
MOST_MEASURED = 400


def known_plan(context: Context) -> Plan | None:
    """The plan that an earlier attempt stored, None when there is none."""
    file = context.folder / "plan.json"
    if not file.exists():
        return None
    try:
        content = json.loads(file.read_text())
        return Plan(**{name: content[name] for name in Plan.__dataclass_fields__})
    except (ValueError, KeyError, TypeError) as error:
        log.warning("plan.json is damaged (%s): planning anew", error)
        return None


def make_plan(context: Context, speed: float | None, tail_s: float) -> Plan:
    """Plan what is left of the budget, and store the plan.

    speed: measured windows a second; tail_s: what judging and exporting will take. With `steps`
    in the manifest the plan is the same every time.
    """
    plan = _planned(context, speed, context.budget.elapsed_s + tail_s)
    if context.manifest.steps is not None:
        plan = _given(plan, context.manifest.steps, len(context.phases[0].train))
    file = context.folder / "plan.json"
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps({**asdict(plan), "windows_per_second": speed}))
    sync(temporary)
    temporary.rename(file)
    sync(context.folder)
    return plan


def guessed_plan(context: Context) -> Plan:
    """What to expect before anything was measured."""
    return _planned(context, None, None)


def _planned(context: Context, speed: float | None, fixed_s: float | None) -> Plan:
    manifest = context.manifest
    trained = [manifest.clips[place] for place in context.phases[0].train]
    return plan_training(
        len(trained),
        len(manifest.classes),
        sum(clip.duration_s for clip in trained),
        manifest.budget_s,
        manifest.protocol,
        speed,
        folds=len(context.phases) - 1,
        spared=len(context.phases) - 1,
        fixed_s=fixed_s,
    )


def _given(plan: Plan, steps: int, clips: int) -> Plan:
    folded = plan.folds > 0
    return replace(
        plan,
        steps=steps,
        fold_steps=max(min(steps, FEWEST_FOLD_STEPS), steps // 3) if folded else 0,
        epochs=steps * plan.batch / clips,
        limited=False,
        why=f"{steps} steps were asked for",
    )


def measured_speed(context: Context, store: FeatureStore) -> float:
    """Windows a second of this network on this device, batches included."""
    phase = context.phases[0]
    batch = batch_size(len(phase.train))
    recipe = replace(Recipe(), widths=context.widths)
    maker = batch_maker(context, store, phase.train, recipe, batch, seed=0)
    backbone = new_backbone(len(context.manifest.classes), recipe, seed=0)
    state = new_state(backbone, recipe, context.device)
    now = context.budget.elapsed_s
    marks: list[float] = []
    train(
        state,
        maker,
        Length(MOST_MEASURED, now, now + MEASURED_S, "whole"),
        recipe,
        context.device,
        context.budget,
        context.manifest.threads,
        on_step=lambda _state, _rate: marks.append(context.budget.elapsed_s),
    )
    if len(marks) < 2:  # cancelled, or very slow: better a guess than a division by zero
        return batch / MEASURED_S
    typical = marks[min(FIRST_STEPS, len(marks) - 2) :]
    return batch * (len(typical) - 1) / (typical[-1] - typical[0])


def batch_maker(
    context: Context,
    store: FeatureStore,
    clips: Sequence[int],
    recipe: Recipe,
    batch: int,
    seed: int,
) -> BatchMaker:
    """Batches of these clips (positions in the manifest)."""
    return BatchMaker(
        store,
        clips,
        context.manifest.targets,
        len(context.manifest.classes),
        context.background,
        context.shape,
        recipe,
        batch,
        seed,
    )
