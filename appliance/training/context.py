"""What every part of a run shares: the job, the clock, the device, the shape of the features."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from torch import Tensor

from appliance.library.plan import (
    FIXED_SECONDS,
    TYPICAL_WINDOWS_A_SECOND,
    Plan,
    batch_size,
)
from appliance.training.clock import BudgetClock
from appliance.training.device import Device, choose_device
from appliance.training.features import FrontEnd
from appliance.training.manifest import Manifest
from appliance.training.phases import Phase, make_phases
from appliance.training.progress import ProgressWriter
from appliance.training.recipe import Recipe, front_end, make_recipe, network_widths
from appliance.training.sounds import native_rate
from appliance.training.start import front_end_of, load_version, widths_of

BACKGROUND = "background"
# A version that is continued from should not be shaken until it has forgotten.
CONTINUED_RATE = 0.4


@dataclass(frozen=True)
class Version:
    """The version to continue from: its weights and class names."""

    weights: dict[str, Tensor]
    classes: list[str]


@dataclass(frozen=True)
class Context:
    folder: Path
    manifest: Manifest
    budget: BudgetClock
    progress: ProgressWriter
    device: Device
    shape: FrontEnd
    phases: tuple[Phase, ...]
    widths: tuple[int, ...]
    initial: Version | None

    @property
    def background(self) -> int | None:
        """The class index of `background`, None when it is no class of this job."""
        classes = self.manifest.classes
        return classes.index(BACKGROUND) if BACKGROUND in classes else None

    @property
    def sound_s(self) -> float:
        """Seconds of sound in all clips."""
        return sum(clip.duration_s for clip in self.manifest.clips)

    def recipe(self, plan: Plan) -> Recipe:
        """The hyperparameters for this set and this plan."""
        clips = len(self.phases[0].train)
        windows = plan.steps * plan.batch
        recipe = make_recipe(windows / clips, windows, self.background is not None)
        rate = recipe.learning_rate * (CONTINUED_RATE if self.initial is not None else 1.0)
        return replace(recipe, widths=self.widths, learning_rate=rate)


def _typical_epochs(manifest: Manifest, clips: int) -> float:
    """What a desktop's two cores would reach: it depends on the job alone, not on how busy the
    device is, so that a job that continues finds the same network."""
    if manifest.steps is not None:
        return manifest.steps * batch_size(clips) / clips
    return (manifest.budget_s - FIXED_SECONDS) * TYPICAL_WINDOWS_A_SECOND / clips


def make_context(
    folder: Path, manifest: Manifest, budget: BudgetClock, on_cpu: bool = False
) -> Context:
    """Everything that follows from the manifest alone, so that a resumed run finds the same.

    A run that continues from a version takes over its features and its network's widths.
    """
    phases = tuple(make_phases(manifest))
    # Background is as long as somebody let it run: the window follows the sounds.
    sounds = [clip for clip in manifest.clips if clip.label != BACKGROUND] or manifest.clips
    shape = front_end(
        [clip.duration_s for clip in sounds],
        [native_rate(clip.path) for clip in sounds],
        manifest.sample_rate,
    )
    trained = len(phases[0].train)
    widths = network_widths(trained, len(manifest.classes), _typical_epochs(manifest, trained))
    initial = None
    if manifest.initial_weights is not None:
        weights, known = load_version(manifest.initial_weights)
        initial = Version(weights, known)
        widths = widths_of(weights) or widths
        shape = front_end_of(manifest.initial_weights, shape)
    return Context(
        folder,
        manifest,
        budget,
        ProgressWriter(folder, budget),
        choose_device(manifest.threads, on_cpu),
        shape,
        phases,
        widths,
        initial,
    )
