"""A clip: at most 60 s of a session, as FLAC on disk and a row in the database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from appliance.errors import NotFound
from appliance.store.database import Database, Row

LONGEST_S = 60.0
# Encoders and resamplers may add a few samples to a piece of exactly a minute.
TOLERANCE_S = 0.1

SOURCES = (
    *("import", "recording", "trigger", "schedule", "background", "cut"),
    *("detection", "shadow", "history", "recovered"),
)

# SQLite takes 999 parameters in its older builds.
BATCH = 500

SELECT = """
    SELECT c.*, l.name AS label, s.key AS session_key,
        CASE WHEN c.alike > 0 THEN (SELECT group_concat(other_id) FROM
            (SELECT other_id FROM near_duplicates WHERE clip_id = c.id ORDER BY other_id))
        END AS others
    FROM clips c JOIN sessions s ON s.id = c.session_id LEFT JOIN labels l ON l.id = c.label_id
"""


@dataclass(frozen=True)
class Clip:
    """One clip as people see it.

    Lengths and positions are seconds; levels are dBFS; `recorded_at` and `created_at` are epoch
    seconds of the wall clock, right only as far as `clock_synced` says; `monotonic_ns` is the
    moment of the first sample within boot `boot_id`; `frame` is the microphone's own counter
    there. `start_s` is where the clip begins in the file or recording it was cut from, `parent`
    the clip that a person cut it from. `near_duplicates` are the clips that are nearly the same
    sound, None while nobody has compared it with the others. `missing`: its sound was lost. Source
    "recovered": the row was lost, and made again of the file.
    """

    id: int
    sha256: str
    label: str | None
    session: int
    session_key: str
    microphone: str | None
    source: str
    filename: str | None
    start_s: float
    duration_s: float
    sample_rate: int
    size: int
    peak_dbfs: float
    rms_dbfs: float
    frame: int | None
    recorded_at: float
    boot_id: str
    monotonic_ns: int
    clock_synced: bool
    created_at: float
    parent: int | None
    protected: bool
    near_duplicates: list[int] | None
    missing: bool
    extra: dict[str, Any]


def from_row(row: Mapping[str, Any]) -> Clip:
    """A row of `SELECT` as a Clip."""
    return Clip(
        id=row["id"],
        sha256=row["sha256"],
        label=row["label"],
        session=row["session_id"],
        session_key=row["session_key"],
        microphone=row["microphone"],
        source=row["source"],
        filename=row["filename"],
        start_s=row["start_s"],
        duration_s=row["duration_s"],
        sample_rate=row["sample_rate"],
        size=row["size"],
        peak_dbfs=row["peak_dbfs"],
        rms_dbfs=row["rms_dbfs"],
        frame=row["frame"],
        recorded_at=row["recorded_at"],
        boot_id=row["boot_id"],
        monotonic_ns=row["monotonic_ns"],
        clock_synced=bool(row["clock_synced"]),
        created_at=row["created_at"],
        parent=row["parent_id"],
        protected=bool(row["protected"]),
        near_duplicates=_others(row),
        missing=row["missing_since"] is not None,
        extra=json.loads(row["extra"]),
    )


def _others(row: Mapping[str, Any]) -> list[int] | None:
    if row["alike"] is None:
        return None
    return [int(other) for other in (row["others"] or "").split(",") if other]


def get(db: Database, identifier: int) -> Clip:
    """The clip, or NotFound."""
    row = db.row(f"{SELECT} WHERE c.id = ?", (identifier,))
    if row is None:
        raise NotFound(f"there is no clip {identifier}", "list clips with `earmark clips`")
    return from_row(row)


def get_many(db: Database, identifiers: Iterable[int]) -> list[Clip]:
    """The clips that exist among `identifiers`, in that order."""
    asked = list(identifiers)
    found: dict[int, Row] = {}
    for start in range(0, len(asked), BATCH):
        part = asked[start : start + BATCH]
        marks = ",".join("?" * len(part))
        for row in db.rows(f"{SELECT} WHERE c.id IN ({marks})", part):
            found[row["id"]] = row
    return [from_row(found[identifier]) for identifier in asked if identifier in found]
