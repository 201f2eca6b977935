"""What a person asks for when they train, checked, and what they are shown before they say yes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from appliance.errors import InvalidInput
from appliance.library.plan import HOLDOUT, held_out_classes, plan_training, shorter
from appliance.library.readiness import Readiness

FREE, COMPUTE = "free", "compute"
FLAVORS = (FREE, COMPUTE)
LEAST_MINUTES, MOST_MINUTES, DEFAULT_MINUTES = 6, 6000, 60
FREE_MINUTES = 60


@dataclass(frozen=True)
class Specification:
    """A training as it would be submitted now.

    `limit_s`: the longest that it may take; `plan`: what it will probably take (seconds, steps,
    why), None while training is refused; `readiness` says why; `dataset_exists`: an existing
    dataset version is used as it is, instead of a new one from today's labels; `expected_start`
    in epoch seconds, `position` 1 is next.
    """

    dataset_version: str
    dataset_exists: bool
    from_version: str | None
    flavor: str
    max_minutes: int
    limit_s: float
    readiness: Readiness
    plan: dict[str, Any] | None
    position: int
    expected_start: float


def limit_seconds(max_minutes: int, flavor: str) -> float:
    """The time limit of a job. Raises InvalidInput for a flavor or duration that is not offered."""
    if flavor not in FLAVORS:
        raise InvalidInput(
            f"unknown flavor {str(flavor)[:40]!r}",
            "free stops after one hour; compute may use the whole maximum duration",
        )
    whole = isinstance(max_minutes, int) and not isinstance(max_minutes, bool)
    if not whole or not LEAST_MINUTES <= max_minutes <= MOST_MINUTES:
        raise InvalidInput(
            f"a maximum training duration of {max_minutes!r} min is not offered",
            f"give whole minutes from {LEAST_MINUTES} to {MOST_MINUTES}",
        )
    minutes = min(max_minutes, FREE_MINUTES) if flavor == FREE else max_minutes
    return minutes * 60.0


def plan_for(
    manifest: Mapping[str, Any], limit_s: float, speed: float | None = None
) -> dict[str, Any]:
    """The planned length for a dataset version's manifest: seconds, steps and why.

    `speed`: windows of the longest kind a second that earlier trainings reached here.
    """
    clips, seconds = trained_on(manifest)
    unknown = int(bool(held_out_classes(manifest["classes"])))
    plan = plan_training(
        clips,
        len(manifest["classes"]),
        seconds,
        limit_s,
        manifest["protocol"],
        None if speed is None else speed * shorter(clips, seconds),
        folds=manifest["folds"] + unknown,
        spared=unknown,
    )
    return asdict(plan)


def trained_on(manifest: Mapping[str, Any]) -> tuple[int, float]:
    """Of a dataset version's manifest: how many clips the version itself learns from, and how many
    seconds of sound they are."""
    trained = [
        clip for clip in manifest["clips"] if manifest["protocol"] != HOLDOUT or clip["fold"] == 0
    ]
    return len(trained), sum(clip["duration_s"] for clip in trained)
