"""How long the steps still take: as measured, carried from phase to phase and over a resume."""

from __future__ import annotations

from collections.abc import Sequence

from appliance.library.plan import Plan
from appliance.training.phases import Phase
from appliance.training.state import Reached

# What was measured before counts like so many steps of the phase under way: its first ones are not
# typical, and without anything to go by the time left would leap.
CARRIED_STEPS = 10


def step_seconds(reached: Reached, plan: Plan) -> float:
    """Seconds a step as measured so far; before that, as planned."""
    return reached.step_s or plan.seconds / max(plan.all_steps, 1)


def most_steps(phases: Sequence[Phase], plan: Plan) -> float:
    """How many steps these phases make, if the limit allows: a plan that it has cut may grow."""
    return sum(phase.steps(plan) for phase in phases) * (plan.room if plan.limited else 1.0)


class StepTimer:
    """Measures the steps of one phase into `reached.step_s`."""

    def __init__(self, reached: Reached, plan: Plan) -> None:
        self._reached = reached
        self._before_s = step_seconds(reached, plan)
        self._first: tuple[int, float] | None = None

    def on_step(self, step: int, elapsed_s: float) -> None:
        """After step `step`, when the job had `elapsed_s` active seconds. The phase's first step
        builds kernels and is not counted."""
        first_step, begun_s = self._first = self._first or (step, elapsed_s)
        took_s = CARRIED_STEPS * self._before_s + elapsed_s - begun_s
        self._reached.step_s = took_s / (CARRIED_STEPS + step - first_step)
