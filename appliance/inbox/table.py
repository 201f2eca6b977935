"""The table `inbox`: what is known of each clip without a label, and pages in its order.

Rows come and go with the labels by triggers of the schema; here they are judged, ranked, flagged
and listed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import InvalidInput
from appliance.library.clip import Clip, get_many
from appliance.library.microphones import find_microphone
from appliance.store.database import Database, Row

LARGEST_PAGE = 500
FLAGGED_RANK = 2.0
"""Above every rank that an order can give."""
LONGEST_REASON = 300


@dataclass(frozen=True)
class InboxClip(Clip):
    """A clip without a label, with what it would teach.

    `suggested_label` and `suggested_score` (0 to 1) are what version `judged_by` says about it,
    null while none has judged it. `reason` says why it stands where it does, in words; `flagged`:
    something happened that a person should look at, so that it stands before all others. `rank`
    falls along the list.
    """

    suggested_label: str | None
    suggested_score: float | None
    judged_by: str | None
    reason: str
    flagged: bool
    rank: float


@dataclass(frozen=True)
class InboxPage:
    """`next_cursor` is None at the end of the list."""

    items: list[InboxClip]
    next_cursor: str | None


@dataclass(frozen=True)
class InboxSummary:
    """`judged` of the `clips` were judged by `version`, the one that listens now."""

    clips: int
    flagged: int
    judged: int
    version: str | None


@dataclass(frozen=True)
class Judged:
    """What was found out about one clip; `unsure` from 0 to 1."""

    clip: int
    label: str | None
    score: float | None
    unsure: float
    likeness: bytes
    reason: str


class Inbox:
    """Thread-safe."""

    def __init__(self, db: Database) -> None:
        self._db = db

    # --- reading -------------------------------------------------------------------------------

    def page(
        self,
        *,
        label: str | None = None,
        microphone: str | None = None,
        limit: int = 100,
        cursor: str | None = None,
    ) -> InboxPage:
        """What would teach most first. `label`: only clips for which this one is suggested;
        `microphone`: an id or a name. While clips are being judged their places change, so that
        one may come twice or stay away until the list is read again."""
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidInput(f"a page of {limit} clips", f"ask for 1 to {LARGEST_PAGE}")
        where, values = ["TRUE"], list[Any]()
        only = None if microphone is None else find_microphone(self._db, microphone)
        for condition, value in (("suggested_label = ?", label), ("microphone = ?", only)):
            if value is not None:
                where.append(condition)
                values.append(value)
        if cursor is not None:
            where.append("(rank, clip_id) < (?, ?)")
            values += _position(cursor)
        rows = self._db.rows(
            "SELECT clip_id, suggested_label, suggested_score, version, reason, flagged, rank"
            f" FROM inbox WHERE {' AND '.join(where)} ORDER BY rank DESC, clip_id DESC LIMIT ?",
            [*values, limit + 1],
        )
        following = None
        if len(rows) > limit:
            rows = rows[:limit]
            following = f"{rows[-1]['rank']!r}_{rows[-1]['clip_id']}"
        clips = {clip.id: clip for clip in get_many(self._db, [row["clip_id"] for row in rows])}
        return InboxPage(
            [_item(clips[row["clip_id"]], row) for row in rows if row["clip_id"] in clips],
            following,
        )

    def summary(self, version: str | None) -> InboxSummary:
        """How far judging by `version` has come."""
        row = self._db.row(
            "SELECT count(*) AS clips, coalesce(sum(flagged), 0) AS flagged,"
            " (SELECT count(*) FROM inbox WHERE version = ?) AS judged FROM inbox",
            [version],
        )
        assert row is not None
        return InboxSummary(row["clips"], row["flagged"], row["judged"], version)

    def unjudged(self, version: str | None, most: int, limit: int) -> list[int]:
        """Among the `most` newest clips and those that are flagged: up to `limit`, the newest
        first, that `version` has not judged."""
        rows = self._db.rows(
            "SELECT clip_id FROM ("
            " SELECT clip_id, version, likeness FROM (SELECT * FROM inbox"
            "  ORDER BY clip_id DESC LIMIT ?)"
            " UNION SELECT clip_id, version, likeness FROM inbox WHERE rank >= ?)"
            " WHERE version IS NOT ? OR likeness IS NULL ORDER BY clip_id DESC LIMIT ?",
            [most, FLAGGED_RANK, version, limit],
        )
        return [row["clip_id"] for row in rows]

    def judged(
        self, most: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
        """Of the `most` newest clips that are described: ids [n], unsure [n], points [n, d]."""
        rows = self._db.rows(
            "SELECT clip_id, unsure, likeness FROM (SELECT * FROM inbox"
            " ORDER BY clip_id DESC LIMIT ?) WHERE likeness IS NOT NULL AND flagged = 0",
            [most],
        )
        points = [np.frombuffer(row["likeness"], dtype=np.float16) for row in rows]
        return (
            np.array([row["clip_id"] for row in rows], dtype=np.int64),
            np.array([row["unsure"] for row in rows], dtype=np.float64),
            np.array(points, dtype=np.float64).reshape(len(rows), -1),
        )

    # --- changing ------------------------------------------------------------------------------

    def judge(self, version: str | None, found: Sequence[Judged]) -> None:
        """Keep what `version` says. A clip that got a label meanwhile is not here any more."""
        with self._db.write() as tx:
            tx.conn.executemany(
                "UPDATE inbox SET version = ?, suggested_label = ?, suggested_score = ?,"
                " unsure = ?, likeness = ?, reason = iif(flagged, reason, ?) WHERE clip_id = ?",
                [
                    (
                        version,
                        one.label,
                        one.score,
                        one.unsure,
                        one.likeness,
                        one.reason,
                        one.clip,
                    )
                    for one in found
                ],
            )

    def rank(self, ranks: Mapping[int, float]) -> None:
        """Put clips (by id) in their places; those that are flagged keep theirs."""
        with self._db.write() as tx:
            tx.conn.executemany(
                "UPDATE inbox SET rank = ? WHERE clip_id = ? AND flagged = 0 AND rank != ?",
                [(rank, clip, rank) for clip, rank in ranks.items()],
            )

    def flag(self, clip: int, reason: str) -> None:
        """Put a clip at the head of the inbox, with the reason. Nothing happens to one that has
        a label."""
        with self._db.write() as tx:
            tx.conn.execute(
                "UPDATE inbox SET flagged = 1, rank = ?, reason = ? WHERE clip_id = ?",
                [FLAGGED_RANK, reason[:LONGEST_REASON], clip],
            )


def _item(clip: Clip, row: Row) -> InboxClip:
    return InboxClip(
        **{**asdict(clip), "extra": clip.extra},
        suggested_label=row["suggested_label"],
        suggested_score=row["suggested_score"],
        judged_by=row["version"],
        reason=row["reason"],
        flagged=bool(row["flagged"]),
        rank=row["rank"],
    )


def _position(cursor: str) -> list[Any]:
    rank, _, clip = cursor.partition("_")
    try:
        position = [float(rank), int(clip)]
        if not (math.isfinite(position[0]) and 0 <= position[1] < 2**63):
            raise ValueError("not a position")
    except ValueError as error:
        raise InvalidInput(
            f"{cursor[:40]!r} is not a cursor of this list", "use `next` of the page before"
        ) from error
    return position
