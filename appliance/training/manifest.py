"""The job folder's manifest: what to train on, for how long, judged how."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import TrainingError

FORMAT = 1


@dataclass(frozen=True)
class ClipEntry:
    """One labelled clip of the dataset version. `fold` says when it is held out."""

    id: int
    path: Path
    label: str
    session: int
    microphone: str | None
    duration_s: float
    fold: int


@dataclass(frozen=True)
class Manifest:
    """`protocol` is "cross-validation" (each fold is held out once) or "holdout" (fold 1 is)."""

    job: int
    seed: int
    threads: int
    budget_s: float
    used_s: float
    sample_rate: int
    classes: tuple[str, ...]
    protocol: str
    clips: tuple[ClipEntry, ...]
    initial_weights: Path | None
    steps: int | None

    @property
    def targets(self) -> list[int]:
        """The class index of each clip."""
        index = {name: position for position, name in enumerate(self.classes)}
        return [index[clip.label] for clip in self.clips]

    @property
    def folds(self) -> list[int]:
        return sorted({clip.fold for clip in self.clips})


def read_manifest(folder: Path) -> Manifest:
    """The manifest of a job folder. Raises TrainingError("crashed") naming what is wrong."""
    file = folder / "manifest.json"
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        manifest = _parse(content)
    except OSError as error:
        raise _unusable(f"{file} cannot be read: {error.strerror}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise _unusable(f"{file} is not a manifest: {error!r}") from error
    _check(manifest)
    return manifest


def _parse(content: dict[str, Any]) -> Manifest:
    if content["format"] != FORMAT:
        raise ValueError(f"format {content['format']!r}, expected {FORMAT}")
    clips = tuple(
        ClipEntry(
            id=int(item["id"]),
            path=Path(item["path"]),
            label=str(item["label"]),
            session=int(item["session"]),
            microphone=item.get("microphone"),
            duration_s=float(item["duration_s"]),
            fold=int(item["fold"]),
        )
        for item in content["clips"]
    )
    initial = content.get("initial_weights")
    steps = content.get("steps")
    return Manifest(
        job=int(content["job"]),
        seed=int(content["seed"]),
        threads=max(1, int(content["threads"])),
        budget_s=float(content["budget_s"]),
        used_s=float(content.get("used_s", 0.0)),
        sample_rate=int(content["sample_rate"]),
        classes=tuple(str(name) for name in content["classes"]),
        protocol=str(content["protocol"]),
        clips=clips,
        initial_weights=Path(initial) if initial else None,
        steps=None if steps is None else max(1, int(steps)),
    )


def _check(manifest: Manifest) -> None:
    if len(manifest.classes) < 2 or len(set(manifest.classes)) != len(manifest.classes):
        raise _unusable(f"at least two different classes are needed, not {manifest.classes}")
    if unknown := {clip.label for clip in manifest.clips} - set(manifest.classes):
        raise _unusable(f"clips carry labels that are not classes: {sorted(unknown)}")
    if manifest.protocol not in ("cross-validation", "holdout"):
        raise _unusable(f"unknown protocol {manifest.protocol!r}")
    if len(manifest.folds) < 2:
        raise _unusable("all clips are in one fold: nothing would be left to judge on")
    if manifest.protocol == "holdout" and manifest.folds != [0, 1]:
        raise _unusable(f"a holdout has the folds 0 and 1, not {manifest.folds}")


def _unusable(message: str) -> TrainingError:
    return TrainingError("crashed", message, "submit the job again; the bundle is made anew")
