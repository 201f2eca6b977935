"""What happens beside a step: progress lines, curves, checkpoints."""

from __future__ import annotations

import logging
import math
from pathlib import Path

import torch

from appliance.errors import LowSpace
from appliance.library.disk import disk_errors
from appliance.library.plan import Plan
from appliance.training import checkpoint as checkpoints
from appliance.training.context import Context
from appliance.training.loop import Length, TrainState, diverged
from appliance.training.phases import Phase
from appliance.training.probe import Probe
from appliance.training.remaining import StepTimer, most_steps, step_seconds
from appliance.training.state import Reached, to_checkpoint
from appliance.training.store import FeatureStore

log = logging.getLogger(__name__)

CHECKPOINT_EVERY_S = 10.0
# Long trainings write less often: flash wears.
CHECKPOINT_SHARE = 1 / 60
PROBES = 20
# A job that has just learned something should not lose it.
FIRST_CHECKPOINT_S = 2.0


class Checkpointer:
    """Writes the run's state now and then."""

    def __init__(self, context: Context, reached: Reached) -> None:
        self._context, self._reached = context, reached
        self._folder: Path = context.folder / "checkpoints"
        self._next_s = context.budget.elapsed_s + FIRST_CHECKPOINT_S

    def due(self) -> bool:
        return self._context.budget.elapsed_s >= self._next_s

    def save(self, training: TrainState | None) -> None:
        """`training` is None between two phases. Raises TrainingError("diverged") rather than
        write weights that are no numbers. A full disk costs the checkpoint, not the training."""
        if training is not None and not torch.isfinite(training.average.head.weight).all():
            raise diverged("weights", training.step)
        try:
            with disk_errors("a checkpoint"):
                checkpoints.save(self._folder, to_checkpoint(self._reached, training))
        except LowSpace as error:
            log.warning(
                "%s: the training goes on, and would begin again from the one before", error
            )
        elapsed = self._context.budget.elapsed_s
        self._next_s = elapsed + max(CHECKPOINT_EVERY_S, elapsed * CHECKPOINT_SHARE)


class Watch:
    """Looks after one phase."""

    def __init__(
        self,
        context: Context,
        reached: Reached,
        phase: Phase,
        plan: Plan,
        length: Length,
        store: FeatureStore,
        checkpointer: Checkpointer,
        tail_s: float,
    ) -> None:
        """tail_s: what judging and exporting will take after all phases."""
        self._context, self._reached, self._phase = context, reached, phase
        self._length, self._checkpointer, self._tail_s = length, checkpointer, tail_s
        later = context.phases[reached.phase + 1 :]
        self._later_steps = most_steps(later, plan)
        self._probe = Probe(
            store, phase.held_out or phase.train, context.manifest.targets, context.shape
        )
        self._probed_on = "held-out clips" if phase.held_out else "training clips"
        self._next_probe = 1 / PROBES
        self._accuracy: float | None = None
        self._plan, self._timer = plan, StepTimer(reached, plan)

    def on_step(self, training: TrainState, rate: float) -> None:
        """Called after each step."""
        elapsed = self._context.budget.elapsed_s
        self._timer.on_step(training.step, elapsed)
        share = self._length.share(training.step, elapsed)
        if share >= self._next_probe:
            self._next_probe = min(1.0, share + 1 / PROBES) if share < 1 else math.inf
            self._look(training)
        if self._context.progress.due():
            self._context.progress.write(
                self._phase.name,
                self._eta_s(training.step),
                step=training.step,
                steps=self._length.expected_steps(training.step, elapsed),
                loss=training.loss,
                accuracy=self._accuracy,
                accuracy_on=self._probed_on,
                learning_rate=rate,
            )
        if self._checkpointer.due():
            self._checkpointer.save(training)

    def _look(self, training: TrainState) -> None:
        self._accuracy = self._probe.accuracy(training.average, self._context.device)
        if self._phase.makes_version:
            self._reached.curves.append(
                {
                    "step": training.step,
                    "elapsed_s": round(self._context.budget.elapsed_s, 2),
                    "loss": training.loss,
                    "accuracy": self._accuracy,
                    "accuracy_on": self._probed_on,
                }
            )

    def _eta_s(self, step: int) -> float:
        """Seconds until the result, after step `step` of this phase."""
        budget = self._context.budget
        a_step = step_seconds(self._reached, self._plan)
        here = (self._length.expected_steps(step, budget.elapsed_s) - step) * a_step
        if self._length.clock != "none":
            here = min(here, self._length.until_s - budget.elapsed_s)
        return here + self._later_steps * a_step + self._tail_s
