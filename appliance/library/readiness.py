"""May training start, and if not, why: at least 2 classes with at least 5 clips in each.

It reads one row a label, which triggers keep up to date: the number of clips does not matter.
"""

from __future__ import annotations

from dataclasses import dataclass

from appliance.library.enough_background import BACKGROUND, background_warnings
from appliance.store.database import Database

FEWEST_CLASSES = 2
FEWEST_CLIPS = 5
# One class this many times another: accuracy alone would flatter the larger.
IMBALANCE = 10
# Those whose sound was lost teach nothing; they are few, and have an index of their own.
_COUNTS = """
    SELECT l.name, l.sessions, l.clips - (SELECT count(*) FROM clips c
        WHERE c.label_id = l.id AND c.missing_since IS NOT NULL) AS clips
    FROM labels l ORDER BY l.name
"""
# So many clips of background are looked at; more are enough anyway.
MOST_LOOKED = 200
MOST_COUNTED = 1000


@dataclass(frozen=True)
class ClassReadiness:
    """One label: what it has, what it needs. One without clips is no class, and does no harm."""

    label: str
    clips: int
    sessions: int
    needed: int
    ready: bool


@dataclass(frozen=True)
class Readiness:
    """`reasons` holds everything that stands in the way; `warnings` what will hurt the figures."""

    ready: bool
    reasons: list[str]
    classes: list[ClassReadiness]
    warnings: list[str]


def readiness(db: Database) -> Readiness:
    """May training start now? `background` counts as a class like any other."""
    classes = [
        ClassReadiness(
            row["name"], row["clips"], row["sessions"], FEWEST_CLIPS, row["clips"] >= FEWEST_CLIPS
        )
        for row in db.rows(_COUNTS)
    ]
    used = [entry for entry in classes if entry.clips]
    reasons = []
    if len(used) < FEWEST_CLASSES:
        have = ", ".join(entry.label for entry in used) or "none"
        reasons.append(f"{len(used)} of {FEWEST_CLASSES} classes have clips: {have}")
    reasons += [
        f"{entry.label}: {entry.clips} of {entry.needed} clips" for entry in used if not entry.ready
    ]
    warnings = _warnings(classes, used) + _background(db) + _not_compared(db)
    return Readiness(not reasons, reasons, classes, warnings)


def _not_compared(db: Database) -> list[str]:
    """Clips of a library that is older than fingerprints, until the box has caught up."""
    row = db.row(
        "SELECT count(*) AS n FROM (SELECT 1 FROM clips INDEXED BY clips_not_compared"
        " WHERE alike IS NULL LIMIT ?)",
        [MOST_COUNTED],
    )
    if row is None or not row["n"]:
        return []
    more = "more than " if row["n"] == MOST_COUNTED else ""
    return [
        f"{more}{row['n']} clips are not compared with the others yet: near copies among them may"
        " flatter the figures; the box works at it"
    ]


def _background(db: Database) -> list[str]:
    """Only once there is something to tell apart from it."""
    if db.row("SELECT 1 FROM labels WHERE clips > 0 LIMIT 1") is None:
        return []
    rows = db.rows(
        "SELECT duration_s, session_id FROM clips WHERE label_id ="
        " (SELECT id FROM labels WHERE name = ?) LIMIT ?",
        [BACKGROUND, MOST_LOOKED],
    )
    sessions = len({row["session_id"] for row in rows})
    return background_warnings([row["duration_s"] for row in rows], sessions)


def _warnings(classes: list[ClassReadiness], used: list[ClassReadiness]) -> list[str]:
    warnings = [
        f"{entry.label}: no clips, so it is left out" for entry in classes if not entry.clips
    ]
    warnings += [
        f"{entry.label}: one recording only, so its figures will be optimistic"
        for entry in used
        if entry.sessions == 1
    ]
    if used:
        most = max(used, key=lambda entry: entry.clips)
        least = min(used, key=lambda entry: entry.clips)
        if most.clips >= IMBALANCE * least.clips:
            warnings.append(
                f"{most.label} has {most.clips} clips and {least.label} only {least.clips}:"
                " judge by each class, not by accuracy"
            )
    return warnings
