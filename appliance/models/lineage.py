"""From a version down to the sounds that it learned from."""

from __future__ import annotations

import json
import logging
from collections import Counter
from typing import Any

from appliance.errors import InvalidInput
from appliance.models.card import read_json
from appliance.paths import DataFolder
from appliance.store.database import Database

log = logging.getLogger(__name__)

DEEPEST = 100


def trace(db: Database, folder: DataFolder, name: str) -> dict[str, Any]:
    """The version's own origin, its dataset's clips and microphones, and its line of parents.

    Deleted parents stay in the line, marked. An imported version brings its lineage along under
    `imported`; its clips lie on another box.
    """
    line: list[dict[str, Any]] = []
    seen: set[str] = set()
    parent: str | None = name
    while parent and parent not in seen and len(line) < DEEPEST:
        seen.add(parent)
        row = db.row("SELECT * FROM versions WHERE name = ?", [parent])
        if row is None:
            break
        line.append(
            {
                "version": row["name"],
                "created_at": row["created_at"],
                "source": row["source"],
                "job": row["job_id"],
                "dataset_version": row["dataset_version"],
                "stopped": row["stopped"],
                "parent": row["parent"],
                "deleted": row["deleted_at"] is not None,
                "imported": json.loads(row["lineage"]),
            }
        )
        parent = row["parent"]
    answer = dict(line[0])
    answer["parents"] = line[1:]
    answer["dataset"] = _dataset(folder, answer["dataset_version"])
    return answer


def _dataset(folder: DataFolder, name: str | None) -> dict[str, Any] | None:
    """The clips of a dataset version, from its published manifest."""
    if name is None:
        return None
    try:
        manifest = read_json(folder.dataset(name))
    except InvalidInput as error:
        log.warning("the manifest of dataset version %s: %s", name, error)
        return {"name": name, "problem": str(error)}
    clips = [
        {key: clip.get(key) for key in ("id", "sha256", "label", "session", "microphone")}
        for clip in manifest.get("clips", [])
    ]
    microphones = Counter(str(clip["microphone"] or "import") for clip in clips)
    return {
        "name": name,
        "clips": clips,
        "classes": dict(Counter(str(clip["label"]) for clip in clips)),
        "sessions": len({clip["session"] for clip in clips}),
        "microphones": dict(microphones),
    }
