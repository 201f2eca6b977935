"""Answers that no dataclass of a service describes: what trainings write, and what is heard now.

Files of a training may hold more than is named here: later releases add to them.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, RootModel

from appliance.live.drift import DriftState
from appliance.live.rejections import Rejection


class Open(BaseModel):
    """With fields beside those that are named."""

    model_config = ConfigDict(extra="allow")


class JobPoint(Open):
    """What a training said at one moment. `accuracy_on`: what the accuracy rests on."""

    t: float
    elapsed_s: float
    progress: float
    phase: str


class JobMove(BaseModel):
    """A move of a job to `state`, and why."""

    at: float
    state: str
    reason: str | None
    detail: str | None


class DatasetManifest(Open):
    """All that a dataset version holds; `clips` with id, sha256, label, session, fold, ..."""

    name: str
    created_at: float
    author: str
    protocol: str
    folds: int
    classes: list[str]
    counts: dict[str, int]
    clips: list[dict[str, Any]]


class VersionCard(Open):
    """`window_samples` and `hop_samples` at `sample_rate`; `train`: every training parameter."""

    classes: list[str]
    sample_rate: int
    window_samples: int


class Macro(BaseModel):
    """Averages over the classes."""

    precision: float | None
    recall: float | None
    f1: float | None


class ClassFigures(Open):
    """`support`: clips of the class that were judged."""

    label: str
    precision: float | None
    recall: float | None
    f1: float | None
    support: int


class Confusion(BaseModel):
    """counts[i][j]: clips labelled labels[i] that were taken for labels[j]."""

    labels: list[str]
    counts: list[list[int]]


class VersionEvaluation(Open):
    """How a version judged clips that it had not learned from; `note` says which."""

    protocol: str
    clips: int
    accuracy: float | None
    macro: Macro
    classes: list[ClassFigures]
    confusion: Confusion
    predictions: list[dict[str, Any]]
    curves: list[dict[str, Any]]


class VersionOrigin(BaseModel):
    """Where one version came from. `imported`: what its box of origin said."""

    version: str
    created_at: float
    source: str
    job: int | None
    dataset_version: str | None
    stopped: str | None
    parent: str | None
    deleted: bool
    imported: Any


class VersionLineage(VersionOrigin):
    """`parents`: the versions whose weights it began with, the nearest first. `dataset`: its clips,
    classes, sessions and microphones."""

    parents: list[VersionOrigin]
    dataset: dict[str, Any] | None


class Score(BaseModel):
    """A label and its score, 0 to 1."""

    label: str
    score: float


class HeardNow(BaseModel):
    """What a microphone hears now. top: the five highest scores of its newest window. active:
    labels that sound now. lag_ms: from the end of a window to its scores."""

    at: float | None
    version: str | None
    top: list[Score]
    active: list[str]
    windows: int
    missed: int
    resets: int
    lost_frames: int
    lag_ms: float
    level_dbfs: float
    drift: DriftState | None
    rejected: list[Rejection]


class Hearing(RootModel[dict[str, HeardNow]]):
    """By the microphone's id."""
