"""What a lost database knew, as far as the files on disk still say it.

A clip's file gives its sound, length and level. Its id, label, session and microphone come from the
pages of the damaged database that can still be read (`salvage`), else from the snapshots in
`datasets/`; then the dataset versions come back, too. The rest comes back as clips without a label.
What is wanted stands in a file, `rebuild.json`, until the look at the library (`inspection`) has
come to its end.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.audio.flac import Piece
from appliance.care import salvage
from appliance.clock import Stamp
from appliance.errors import EarmarkError, InvalidInput
from appliance.library.clip import Clip
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


def wanted(folder: DataFolder, why: str, damaged: Path | None = None) -> None:
    """Files without a row shall become clips again, instead of being set aside. `damaged`: the
    database that was lost, where it lies now."""
    if not folder.rebuild.exists():
        database = str(damaged.relative_to(folder.root)) if damaged is not None else ""
        _write(folder, {"why": why, "at": time.time(), "database": database, "begun": False})


def _write(folder: DataFolder, content: dict[str, Any]) -> None:
    write_durably(folder.rebuild, json.dumps(content).encode())


def _read(folder: DataFolder) -> dict[str, Any]:
    try:
        content: dict[str, Any] = json.loads(folder.rebuild.read_text())
    except (OSError, ValueError):
        return {}
    return content


def _damaged(folder: DataFolder) -> Path | None:
    name = str(_read(folder).get("database", ""))
    path = folder.root / name
    return path if name and path.is_file() else None


def is_wanted(folder: DataFolder) -> bool:
    return folder.rebuild.exists()


def begin(db: Database, folder: DataFolder, clips: Clips) -> None:
    """Before anything new is stored: the ids of what may come back stay free, and what the lost
    database still says of microphones, thresholds, schedules, labels and the deployment is taken
    over. Once: what people change from then on stands."""
    if not is_wanted(folder):
        return
    facts = known(folder).clips
    db.reserve_ids("clips", max((int(clip["id"]) for clip in facts.values()), default=0))
    damaged, state = _damaged(folder), _read(folder)
    if damaged is None or state.get("begun"):
        return
    try:
        _take_over(db, salvage.plain(damaged))
    except (sqlite3.Error, EarmarkError) as error:
        log.warning("nothing but clips can be read of the lost database: %s", error)
    relabelled = _relabel(db, clips, facts.values())
    if relabelled:
        log.warning("%d labels that are newer than the backup were taken over", relabelled)
    _write(folder, {**state, "begun": True})


def _take_over(db: Database, tables: Mapping[str, list[salvage.Row]]) -> None:
    """Rows that are not there yet, each for itself: one that no table takes costs no other."""
    for table, found in tables.items():
        columns = {row["name"] for row in db.rows(f"PRAGMA table_info({table})")}
        for row in found:
            kept = {name: value for name, value in row.items() if name in columns}
            marks = ", ".join("?" * len(kept))
            try:
                with db.write() as tx:
                    tx.conn.execute(
                        f"INSERT OR IGNORE INTO {table} ({', '.join(kept)}) VALUES ({marks})",
                        list(kept.values()),
                    )
            except (sqlite3.Error, EarmarkError) as error:
                log.warning("a row of %s is not taken over: %s", table, error)


def _relabel(db: Database, clips: Clips, facts: Iterable[Mapping[str, Any]]) -> int:
    """Clips that a restored backup knows without a label, or under an older one."""
    present = {
        row["sha256"]: (row["id"], row["label"])
        for row in db.rows(
            "SELECT c.id, c.sha256, l.name AS label FROM clips c"
            " LEFT JOIN labels l ON l.id = c.label_id"
        )
    }
    wanted_by: dict[str, list[int]] = {}
    for clip in facts:
        identifier, label = present.get(clip["sha256"], (None, None))
        if identifier is not None and clip.get("label") not in (None, label):
            wanted_by.setdefault(str(clip["label"]), []).append(identifier)
    changed = 0
    for label, ids in wanted_by.items():
        try:
            changed += clips.set_label(ids, label, AUTHOR, create=True, why=KIND)
        except EarmarkError as error:
            log.warning("a label is not taken over: %s", error)
    return changed


def known(folder: DataFolder) -> Known:
    """Reads every snapshot, and the lost database; what cannot be read is left out."""
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
    if (damaged := _damaged(folder)) is not None:
        try:
            # The last word on a clip is what the database said of it.
            merged.update(salvage.clips(damaged))
        except sqlite3.Error as error:
            log.warning("nothing can be read of the lost database: %s", error)
    return Known(merged, [name for _, name, _ in snapshots])


def adopt(clips: Clips, piece: Piece, facts: Mapping[str, Any] | None) -> Clip | None:
    """Make the row of a whole file among the clips, with what a snapshot knows of it; None when its
    sound is a clip already, under another name. Raises EarmarkError, OSError."""
    if facts is not None:
        try:
            return _adopt(clips, piece, facts)
        except (InvalidInput, ValueError, TypeError) as error:
            log.warning("what was known of %s is no use: %s", piece.path.name, error)
    return _adopt(clips, piece, None)


def _adopt(clips: Clips, piece: Piece, facts: Mapping[str, Any] | None) -> Clip | None:
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
