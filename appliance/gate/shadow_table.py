"""The tables of the shadow: which version listened silently when, and each sound that it or the
live version heard meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.store.database import Database, Row

RUNNING, PROMOTED, ENDED = "running", "promoted", "ended"
LARGEST_PAGE = 500
_DIFFERENT = "live_label IS NOT shadow_label"


@dataclass(frozen=True)
class ShadowRow:
    """`windows` judged, `missed` (because listening went first), `heard_s` seconds of sound."""

    id: int
    version: str
    precision: str
    state: str
    author: str
    started_at: float
    ended_at: float | None
    windows: int
    missed: int
    heard_s: float


@dataclass(frozen=True)
class ShadowSound:
    """One sound. A label is null where that version reported nothing; scores are peaks so far.
    `clip` holds the sound when the two disagree."""

    id: int
    microphone: str
    at: float
    live_label: str | None
    live_score: float | None
    shadow_label: str | None
    shadow_score: float | None
    detection: int | None
    clip: int | None


class Shadows:
    def __init__(self, db: Database) -> None:
        self._db = db

    def running(self) -> ShadowRow | None:
        row = self._db.row("SELECT * FROM shadows WHERE state = ?", [RUNNING])
        return None if row is None else ShadowRow(**row)

    def get(self, identifier: int) -> ShadowRow:
        row = self._db.row("SELECT * FROM shadows WHERE id = ?", [identifier])
        if row is None:
            raise NotFound(f"there was no shadow {identifier}", "`earmark shadow` lists them")
        return ShadowRow(**row)

    def all(self) -> list[ShadowRow]:
        """The newest first."""
        return [ShadowRow(**row) for row in self._db.rows("SELECT * FROM shadows ORDER BY id DESC")]

    def begin(self, version: str, precision: str, author: str) -> ShadowRow:
        with self._db.write() as tx:
            if running := self.running():
                raise Conflict(
                    f"{running.version} listens silently already",
                    "end that one first: earmark shadow end",
                )
            cursor = tx.conn.execute(
                "INSERT INTO shadows (version, precision, state, author, started_at)"
                " VALUES (?, ?, ?, ?, ?)",
                [version, precision, RUNNING, author, time.time()],
            )
            return self.get(int(cursor.lastrowid or 0))

    def end(self, identifier: int, state: str) -> None:
        with self._db.write() as tx:
            tx.conn.execute(
                "UPDATE shadows SET state = ?, ended_at = ? WHERE id = ? AND state = ?",
                [state, time.time(), identifier, RUNNING],
            )

    def count(self, identifier: int, windows: int, missed: int, heard_s: float) -> None:
        """Add to its figures."""
        with self._db.write() as tx:
            tx.conn.execute(
                "UPDATE shadows SET windows = windows + ?, missed = missed + ?,"
                " heard_s = heard_s + ? WHERE id = ?",
                [windows, missed, heard_s, identifier],
            )

    def add(
        self,
        identifier: int,
        microphone: str,
        at: float,
        live: tuple[str, float] | None,
        shadow: tuple[str, float] | None,
        detection: int | None,
        clip: int | None,
    ) -> None:
        """A sound with what each said: label and score, None for nothing."""
        with self._db.write() as tx:
            tx.conn.execute(
                "INSERT INTO shadow_sounds (shadow_id, microphone, at, live_label, live_score,"
                " shadow_label, shadow_score, detection_id, clip_id)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    identifier,
                    microphone,
                    at,
                    *(live or (None, None)),
                    *(shadow or (None, None)),
                    detection,
                    clip,
                ],
            )

    def labels(self, identifier: int) -> list[dict[str, Any]]:
        """By label: how often both reported it, only the live version, only the shadow."""
        rows = self._db.rows(
            "SELECT live_label, shadow_label, count(*) AS n FROM shadow_sounds"
            " WHERE shadow_id = ? GROUP BY live_label, shadow_label",
            [identifier],
        )
        found: dict[str, dict[str, Any]] = {}

        def of(label: str) -> dict[str, Any]:
            return found.setdefault(
                label, {"label": label, "both": 0, "live_only": 0, "shadow_only": 0}
            )

        for row in rows:
            if row["live_label"] == row["shadow_label"]:
                of(row["live_label"])["both"] += row["n"]
                continue
            if row["live_label"] is not None:
                of(row["live_label"])["live_only"] += row["n"]
            if row["shadow_label"] is not None:
                of(row["shadow_label"])["shadow_only"] += row["n"]
        return [found[label] for label in sorted(found)]

    def count_disagreements(self, identifier: int) -> int:
        row = self._db.row(
            f"SELECT count(*) AS n FROM shadow_sounds WHERE shadow_id = ? AND {_DIFFERENT}",
            [identifier],
        )
        return 0 if row is None else int(row["n"])

    def disagreements(
        self, identifier: int, limit: int, cursor: str | None
    ) -> tuple[list[ShadowSound], str | None]:
        """The newest first, and the cursor of the next page."""
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidInput(f"a page of {limit}", f"ask for 1 to {LARGEST_PAGE}")
        if cursor is not None and not (cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise InvalidInput(f"{cursor[:40]!r} is no cursor", "pass on `next` of the page before")
        rows = self._db.rows(
            f"SELECT * FROM shadow_sounds WHERE shadow_id = ? AND {_DIFFERENT} AND id < ?"
            " ORDER BY id DESC LIMIT ?",
            [identifier, 2**62 if cursor is None else int(cursor), limit + 1],
        )
        items = [_sound(row) for row in rows[:limit]]
        return items, str(items[-1].id) if len(rows) > limit else None


def _sound(row: Row) -> ShadowSound:
    return ShadowSound(
        id=row["id"],
        microphone=row["microphone"],
        at=row["at"],
        live_label=row["live_label"],
        live_score=row["live_score"],
        shadow_label=row["shadow_label"],
        shadow_score=row["shadow_score"],
        detection=row["detection_id"],
        clip=row["clip_id"],
    )
