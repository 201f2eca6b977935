"""Dataset versions: immutable snapshots of clips, labels and split, each under a name.

The snapshot is a JSON file, durable before its row is committed; the row carries the file's
SHA-256, and the schema refuses to change either the row or its list of clips. A name without a
row is free, even when a file of that name was left by a cut.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
import uuid
from dataclasses import dataclass
from typing import Any

from sqlite_utils import Database as SqliteUtils

from appliance.errors import Conflict, NotFound, NotReady, StoreError
from appliance.library.disk import disk_errors
from appliance.library.near_duplicates import near_pairs
from appliance.library.readiness import readiness
from appliance.library.split import Split, SplitItem, make_split
from appliance.paths import DataFolder, fsync_folder
from appliance.store.database import Database, Row
from appliance.text import did_you_mean

FORMAT = 1
SEED = 0
SHOWN = 5
_NUMBERED = re.compile(r"dataset-(\d{1,9})")


@dataclass(frozen=True)
class DatasetVersion:
    """`classes`: label to number of clips; `protocol`: cross-validation (with `folds`) or
    holdout; `sha256`: of the snapshot's file."""

    id: int
    name: str
    created_at: float
    author: str
    clips: int
    classes: dict[str, int]
    protocol: str
    folds: int
    sha256: str


def find_dataset(db: Database, name: str) -> DatasetVersion:
    """NotFound names the nearest one."""
    row = db.row("SELECT * FROM dataset_versions WHERE name = ?", (name,))
    if row is not None:
        return _version(row)
    names = [row["name"] for row in db.rows("SELECT name FROM dataset_versions ORDER BY id DESC")]
    there = f"known: {', '.join(names[:SHOWN])}" if names else "a training publishes one"
    raise NotFound(
        f"there is no dataset version {name[:80]!r}",
        did_you_mean(name, names) or there,
    )


class Datasets:
    def __init__(self, db: Database, folder: DataFolder) -> None:
        self._db = db
        self._folder = folder

    def all(self) -> list[DatasetVersion]:
        """Newest first."""
        rows = self._db.rows("SELECT * FROM dataset_versions ORDER BY id DESC")
        return [_version(row) for row in rows]

    def get(self, name: str) -> DatasetVersion:
        """NotFound."""
        return find_dataset(self._db, name)

    def suggested_name(self) -> str:
        """`dataset-001`, or the next number that is free."""
        rows = self._db.rows("SELECT name FROM dataset_versions WHERE name GLOB 'dataset-[0-9]*'")
        taken = [int(found[1]) for row in rows if (found := _NUMBERED.fullmatch(row["name"]))]
        return f"dataset-{max(taken, default=0) + 1:03d}"

    def draft(self) -> dict[str, Any]:
        """What `publish` would write now, under the suggested name; nothing is stored.

        Raises NotReady with every reason.
        """
        return self._snapshot(self.suggested_name(), "", time.time())

    def publish(self, name: str | None = None, author: str = "") -> DatasetVersion:
        """Freeze all labelled clips under `name`, or under the suggested one.

        Joins the transaction that the caller is in. Raises NotReady with every reason,
        InvalidInput (name), Conflict (the name is taken), LowSpace.
        """
        with self._db.write() as tx:
            chosen = self.suggested_name() if name is None else name
            self._folder.dataset(chosen)
            if self._db.row("SELECT 1 FROM dataset_versions WHERE name = ?", (chosen,)):
                raise Conflict(
                    f"there is a dataset version {chosen!r} already",
                    "a dataset version never changes: choose another name, or train from that one",
                )
            snapshot = self._snapshot(chosen, author, time.time())
            content = json.dumps(snapshot, ensure_ascii=False, indent=1).encode()
            with disk_errors("publishing the dataset version"):
                self._write(chosen, content)
            self._insert(tx, snapshot, hashlib.sha256(content).hexdigest())
            return self.get(chosen)

    def adopt(self, name: str) -> bool:
        """Make the rows of a snapshot whose file is there, but whose row was lost with an earlier
        database; whether its clips are all there again under their ids, so that it could be."""
        try:
            content = self._folder.dataset(name).read_bytes()
            snapshot = json.loads(content)
            listed = {clip["id"]: clip["sha256"] for clip in snapshot["clips"]}
            with self._db.write() as tx:
                if self._db.row("SELECT 1 FROM dataset_versions WHERE name = ?", (name,)):
                    return True
                for clip, sha256 in listed.items():
                    row = self._db.row("SELECT sha256 FROM clips WHERE id = ?", (clip,))
                    if row is None or row["sha256"] != sha256:
                        return False
                self._insert(tx, snapshot, hashlib.sha256(content).hexdigest())
        except (OSError, ValueError, KeyError, TypeError):
            return False  # no snapshot of ours
        return True

    def manifest(self, name: str) -> dict[str, Any]:
        """The snapshot: format, name, created_at, author, protocol, folds, seed, classes (sorted
        labels), counts, optimistic (label to why) and clips with id, sha256, label, session,
        session_key, microphone, source, filename, duration_s, sample_rate, recorded_at, fold and
        group: the session whose side the clip shares, another one's where near copies tie them.
        not_compared: how many of its clips nobody had compared with the others when it was made.

        Raises NotFound, or StoreError when the file is missing or is not the one published.
        """
        version = self.get(name)
        try:
            content = self._folder.dataset(version.name).read_bytes()
        except OSError as error:
            raise StoreError(
                f"the file of dataset version {name!r} cannot be read: {error.strerror}",
                "restore a backup",
            ) from error
        if hashlib.sha256(content).hexdigest() != version.sha256:
            raise StoreError(
                f"the file of dataset version {name!r} is not the one that was published",
                "restore a backup",
            )
        manifest: dict[str, Any] = json.loads(content)
        return manifest

    def _snapshot(self, name: str, author: str, at: float) -> dict[str, Any]:
        state = readiness(self._db)
        if not state.ready:
            raise NotReady(state.reasons, "record, import or label more clips")
        clips = self._db.rows(
            "SELECT c.id, c.sha256, l.name AS label, c.session_id AS session,"
            " s.key AS session_key, c.microphone, c.source, c.filename, c.duration_s,"
            " c.sample_rate, c.recorded_at, c.alike FROM clips c JOIN labels l ON l.id = c.label_id"
            " JOIN sessions s ON s.id = c.session_id WHERE c.missing_since IS NULL ORDER BY c.id"
        )
        alike = [row.pop("alike") for row in clips]
        near: dict[int, list[int]] = {}
        for one, other in near_pairs(self._db):
            near.setdefault(one, []).append(other)
        split = make_split(
            [
                SplitItem(row["id"], row["label"], row["session"], tuple(near.get(row["id"], ())))
                for row in clips
            ],
            SEED,
        )
        return {
            "format": FORMAT,
            "name": name,
            "created_at": at,
            "author": author,
            "protocol": split.protocol,
            "folds": split.folds,
            "seed": SEED,
            **_classes(clips, split),
            "not_compared": alike.count(None),
            "clips": [
                {**row, "fold": split.fold[row["id"]], "group": split.group[row["id"]]}
                for row in clips
            ],
        }

    def _write(self, name: str, content: bytes) -> None:
        target = self._folder.dataset(name)
        # Under the write lock nobody else publishes: these are of a process that was cut off.
        for left in target.parent.glob(".*.new"):
            left.unlink()
        temporary = target.with_name(f".{uuid.uuid4().hex}.new")
        try:
            with temporary.open("xb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.rename(target)
            fsync_folder(target.parent)
        finally:
            temporary.unlink(missing_ok=True)

    @staticmethod
    def _insert(tx: SqliteUtils, snapshot: dict[str, Any], sha256: str) -> None:
        clips = snapshot["clips"]
        cursor = tx.conn.execute(
            "INSERT INTO dataset_versions"
            " (name, created_at, author, clips, classes, protocol, folds, sha256)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                snapshot["name"],
                snapshot["created_at"],
                snapshot["author"],
                len(clips),
                json.dumps(snapshot["counts"], ensure_ascii=False),
                snapshot["protocol"],
                snapshot["folds"],
                sha256,
            ),
        )
        tx.conn.executemany(
            "INSERT INTO dataset_clips VALUES (?, ?, ?, ?)",
            [(cursor.lastrowid, clip["id"], clip["label"], clip["fold"]) for clip in clips],
        )


def _classes(clips: list[Row], split: Split) -> dict[str, Any]:
    counts: dict[str, int] = {}
    for row in clips:
        counts[row["label"]] = counts.get(row["label"], 0) + 1
    ordered = sorted(counts)
    return {
        "classes": ordered,
        "counts": {label: counts[label] for label in ordered},
        "optimistic": split.optimistic,
    }


def _version(row: Row) -> DatasetVersion:
    return DatasetVersion(**{**row, "classes": json.loads(row["classes"])})
