"""The parts of a run: the version first, then the networks that only judge."""

from __future__ import annotations

from dataclasses import dataclass

from appliance.library.plan import Plan, held_out_classes
from appliance.training.manifest import Manifest


@dataclass(frozen=True)
class Phase:
    """Train on the clips `train`, judge the clips `held_out` (positions in the manifest)."""

    name: str
    train: tuple[int, ...]
    held_out: tuple[int, ...]
    makes_version: bool
    seed: int
    strangers: frozenset[str] = frozenset()  # classes that this network is not taught at all

    def steps(self, plan: Plan) -> int:
        return plan.steps if self.makes_version else plan.fold_steps


def make_phases(manifest: Manifest) -> list[Phase]:
    """A holdout trains the version alone. Cross-validation trains it on all clips, then a network
    for each fold on the others. Where there are classes enough, comes one that some of them are
    kept from, to see what is said of unknown sounds; the plan of a holdout may leave it out."""
    folds = [clip.fold for clip in manifest.clips]
    seed = manifest.seed * 1009

    def where(condition: int, held: bool) -> tuple[int, ...]:
        return tuple(i for i, fold in enumerate(folds) if (fold == condition) == held)

    if manifest.protocol == "holdout":
        phases = [Phase("training", where(1, False), where(1, True), True, seed)]
        judging = 1
    else:
        phases = [Phase("training", tuple(range(len(folds))), (), True, seed)]
        for number, fold in enumerate(manifest.folds, start=1):
            name = f"fold {number} of {len(manifest.folds)}"
            phases.append(Phase(name, where(fold, False), where(fold, True), False, seed + number))
        judging = manifest.folds[0]
    strangers = held_out_classes(manifest.classes)
    if strangers:
        labels = [clip.label for clip in manifest.clips]
        taught = tuple(i for i in where(judging, False) if labels[i] not in strangers)
        judged = tuple(i for i, f in enumerate(folds) if f == judging or labels[i] in strangers)
        phases.append(Phase("unknown sounds", taught, judged, False, seed + len(phases), strangers))
    return phases
