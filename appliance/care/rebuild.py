"""What a lost database knew, as far as the files on disk still say it.

A clip's file gives its sound, length and level. The snapshots in `datasets/` name their clips' ids,
labels, sessions and microphones, so those come back whole, and the dataset versions with them. The
rest comes back as clips without a label. What is wanted stands in a file, `rebuild.json`, until the
look at the library (`inspection`) has come to its end.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.audio.flac import Piece
from appliance.clock import Stamp
from appliance.errors import EarmarkError
from appliance.library.clip import Clip, reserve_ids
from appliance.library.clips import Clips, NewPiece
from appliance.library.datasets import Datasets
from appliance.paths import DataFolder, write_durably
from appliance.store.database import Database

log = logging.getLogger(__name__)

AUTHOR = "recovered"
KIND = "recovered"


@dataclass(frozen=True)
class Known:
    """What the snapshots say: by SHA-256 of its file, the newest word on each clip; the names of
    the dataset versions, in their order."""

    clips: Mapping[str, Mapping[str, Any]]
    datasets: list[str]


def wanted(folder: DataFolder, why: str) -> None:
    """Files without a row shall become clips again, instead of being set aside."""
    if not folder.rebuild.exists():
        content = {"why": why, "at": time.time()}
        write_durably(folder.rebuild, json.dumps(content).encode())


def is_wanted(folder: DataFolder) -> bool:
    return folder.rebuild.exists()


def reserve(db: Database, folder: DataFolder) -> None:
    """Before any new clip is stored: the ids that the snapshots name stay free."""
    if is_wanted(folder):
        ids = (int(clip["id"]) for clip in known(folder).clips.values())
        reserve_ids(db, max(ids, default=0))


def known(folder: DataFolder) -> Known:
    """Reads every snapshot; one that cannot be read is left out."""
    snapshots = []
    for file in folder.datasets.glob("*.json"):
        try:
            snapshot = json.loads(file.read_bytes())
            found = {clip["sha256"]: clip for clip in snapshot["clips"]}
            snapshots.append((float(snapshot["created_at"]), file.stem, found))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("%s says nothing about its clips: %s", file.name, error)
    snapshots.sort(key=lambda one: one[:2])
    merged: dict[str, Mapping[str, Any]] = {}
    for _, _, clips in snapshots:
        merged.update(clips)
    return Known(merged, [name for _, name, _ in snapshots])


def adopt(clips: Clips, piece: Piece, facts: Mapping[str, Any] | None) -> Clip | None:
    """Make the row of a whole file among the clips, with what a snapshot knows of it; None when its
    sound is a clip already, under another name. Raises EarmarkError, OSError."""
    at = piece.path.stat().st_mtime
    if facts is None:
        day = time.strftime("%Y-%m-%d", time.localtime(at))
        facts = {"session_key": f"recovered-{day}"}
    key = str(facts["session_key"])
    return clips.adopt(
        NewPiece(
            piece,
            source=str(facts.get("source", KIND)),
            session=clips.session_for(key, KIND, facts.get("microphone")),
            label=facts.get("label"),
            microphone=facts.get("microphone"),
            filename=facts.get("filename"),
            # Its boot and the moment within it are lost.
            stamp=Stamp("", 0, float(facts.get("recorded_at", at)), False),
            author=AUTHOR,
            id=_free_id(clips, facts),
        )
    )


def _free_id(clips: Clips, facts: Mapping[str, Any]) -> int | None:
    identifier = facts.get("id")
    return None if identifier is None or clips.get_many([identifier]) else int(identifier)


def finish(folder: DataFolder, datasets: Datasets, snapshots: list[str]) -> list[str]:
    """At the end: the dataset versions whose clips are all there again. Their names."""
    before = {version.name for version in datasets.all()}
    made = []
    for name in snapshots:
        try:
            if name not in before and datasets.adopt(name):
                made.append(name)
        except EarmarkError as error:
            log.warning("dataset version %s does not come back: %s", name, error)
    folder.rebuild.unlink(missing_ok=True)
    return made


def has_sounds(folder: DataFolder) -> bool:
    """Whether a library lies here, whatever the database says."""
    signs = (folder.clips.glob("??/*.flac"), folder.datasets.glob("*.json"))
    return any(any(found) for found in (*signs, folder.versions.glob("V*")))
