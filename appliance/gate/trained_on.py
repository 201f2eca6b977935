"""What a version has seen in its training, so that no clip flatters a version that knows it.

A clip counts as seen when it, a near duplicate of it, or another clip of its session was in the
dataset version of the version itself or of one whose weights it began with; an imported version
brings hashes along. For clips that it has seen, cross-validation left an answer of a network that
had not: `held_out`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any

from appliance.errors import EarmarkError, InvalidInput
from appliance.library.clip import Clip
from appliance.library.datasets import Datasets
from appliance.models.versions import Versions

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainedOn:
    """`held_out`: clip id -> what a network that had not seen it said. `known`: whether we know
    what the version learned from at all."""

    clips: frozenset[int] = frozenset()
    sessions: frozenset[int] = frozenset()
    hashes: frozenset[str] = frozenset()
    held_out: dict[int, str] = field(default_factory=dict)
    known: bool = True

    def has_seen(self, clip: Clip) -> bool:
        return (
            clip.id in self.clips
            or clip.session in self.sessions
            or clip.sha256 in self.hashes
            or not self.clips.isdisjoint(clip.near_duplicates or ())
        )


def trained_on(versions: Versions, datasets: Datasets, name: str) -> TrainedOn:
    """Raises NotFound for an unknown version."""
    clips: set[int] = set()
    sessions: set[int] = set()
    hashes: set[str] = set()
    known = True
    lineage = versions.lineage(name)
    for origin in [lineage, *lineage["parents"]]:
        try:
            if origin["dataset_version"] is not None:
                for clip in datasets.manifest(origin["dataset_version"])["clips"]:
                    clips.add(int(clip["id"]))
                    sessions.add(int(clip["session"]))
                continue
        except EarmarkError as error:
            log.warning("what %s was trained on is not known: %s", origin["version"], error)
        brought = _hashes(origin["imported"])
        hashes |= brought
        known = known and bool(brought)
    held_out = _held_out(versions, name) if lineage["source"] == "trained" else {}
    return TrainedOn(frozenset(clips), frozenset(sessions), frozenset(hashes), held_out, known)


def _hashes(imported: Any) -> set[str]:
    """SHA-256 of all clips in the lineage that an archive brought along."""
    found: set[str] = set()
    waiting = [imported]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            if isinstance(value.get("sha256"), str):
                found.add(value["sha256"])
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return found


def _held_out(versions: Versions, name: str) -> dict[int, str]:
    """Of classes whose figures are not optimistic: those of one recording are, and all are when
    the training ended before anything could be held out."""
    try:
        evaluation = versions.evaluation(name)
    except InvalidInput as error:
        log.warning("the evaluation of %s: %s", name, error)
        return {}
    honest = {row.get("label") for row in evaluation["classes"] if not row.get("optimistic")}
    return {
        int(row["clip"]): str(row["predicted"])
        for row in evaluation["predictions"]
        if isinstance(row.get("clip"), int) and row.get("label") in honest
    }
