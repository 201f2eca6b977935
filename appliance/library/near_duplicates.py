"""Which clips are nearly the same sound: re-encoded, trimmed, louder, or cut from another.

The same samples are one clip anyway (`ingest.py`). Near duplicates stay clips of their own, but
whoever sees one is told of the others, and a split never puts them on two sides: a network that
was trained on one has heard the other.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from sqlite_utils import Database as SqliteUtils

from appliance.audio.fingerprint import METHOD, Fingerprint, Words, compare, keys, probes
from appliance.library.clip import BATCH
from appliance.library.near_index import NearIndex
from appliance.store.database import Database, Row

MOST_COMPARED = 16
"""So many clips are compared with a new one, those with most keys in common first."""
KEYS_AT_ONCE = 20_000


@dataclass(frozen=True)
class NearDuplicate:
    """`clip` is nearly the same sound: `similarity` is the share of the fingerprint's bits that
    agree, 1 for all; it begins `lag_s` seconds after the clip that was asked about."""

    clip: int
    label: str | None
    session: int
    filename: str | None
    similarity: float
    lag_s: float


class NearDuplicates:
    """Thread-safe. The index is read from the database when it is needed first."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._index: NearIndex | None = None

    def add(self, tx: SqliteUtils, clip: int, found: Fingerprint) -> list[int]:
        """Within the caller's transaction: keep the fingerprint of a clip, find those that are
        nearly the same sound, and return their ids. A clip that is gone by now has none."""
        own = self._db.row("SELECT parent_id FROM clips WHERE id = ?", (clip,))
        if own is None:
            return []
        mine = keys(found)
        with self._lock:
            # Also when the transaction is undone: the index may name clips that are not there.
            index = self._loaded()
            candidates = index.find(probes(found), MOST_COMPARED + 1)
            index.add(np.full(len(mine), clip, np.uint32), mine)
        tx.conn.execute(
            "INSERT OR REPLACE INTO fingerprints VALUES (?, ?, ?)",
            (clip, METHOD, found.words.astype("<u4").tobytes()),
        )
        tx.conn.execute(
            "INSERT OR REPLACE INTO fingerprint_keys VALUES (?, ?)",
            (clip, mine.astype("<u4").tobytes()),
        )
        tx.conn.execute("UPDATE clips SET alike = coalesce(alike, 0) WHERE id = ?", (clip,))
        alike = []
        for other in candidates:
            if other != clip and self._link(tx, clip, own["parent_id"], found.words, other):
                alike.append(other)
        return alike

    def add_all(self, found: Mapping[int, Fingerprint]) -> None:
        """Those of clips that have come without, by id, in one transaction."""
        if found:
            with self._db.write() as tx:
                for clip, one in found.items():
                    self.add(tx, clip, one)

    def of(self, clip: int) -> list[NearDuplicate]:
        """The most similar first."""
        rows = self._db.rows(
            "SELECT n.other_id AS clip, l.name AS label, c.session_id AS session, c.filename,"
            " n.similarity, n.lag_s FROM near_duplicates n JOIN clips c ON c.id = n.other_id"
            " LEFT JOIN labels l ON l.id = c.label_id WHERE n.clip_id = ?"
            " ORDER BY n.similarity DESC, n.other_id",
            (clip,),
        )
        return [NearDuplicate(**row) for row in rows]

    def contradictions(self, clips: Sequence[int], most: int = 5) -> list[str]:
        """Up to `most` sentences about those of `clips` whose label is another than that of a
        clip that is nearly the same sound: one of the two labels is likely to be wrong."""
        said: list[str] = []
        for start in range(0, len(clips), BATCH):
            part = clips[start : start + BATCH]
            rows = self._db.rows(
                "SELECT n.clip_id, n.other_id, m.name AS label, l.name AS other_label"
                " FROM near_duplicates n JOIN clips c ON c.id = n.clip_id"
                " JOIN clips o ON o.id = n.other_id JOIN labels m ON m.id = c.label_id"
                " JOIN labels l ON l.id = o.label_id WHERE c.label_id != o.label_id"
                f" AND n.clip_id IN ({','.join('?' * len(part))}) LIMIT ?",
                [*part, most - len(said)],
            )
            said += [
                f"clip {row['clip_id']} ({row['label']}) is nearly the same sound as clip"
                f" {row['other_id']} ({row['other_label']})"
                for row in rows
            ]
            if len(said) >= most:
                break
        return said

    def waiting(self, limit: int) -> list[int]:
        """Clips that nobody has compared yet, the newest first."""
        rows = self._db.rows(
            "SELECT id FROM clips INDEXED BY clips_not_compared WHERE alike IS NULL"
            " ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return [row["id"] for row in rows]

    def _link(
        self, tx: SqliteUtils, clip: int, parent: int | None, words: Words, other: int
    ) -> bool:
        row = self._db.row(
            "SELECT c.parent_id, f.words FROM fingerprints f JOIN clips c ON c.id = f.clip_id"
            " WHERE f.clip_id = ? AND f.method = ?",
            (other, METHOD),
        )
        if row is None or _cut_from_one(clip, parent, other, row["parent_id"]):
            return False
        likeness = compare(words, np.frombuffer(row["words"], dtype="<u4"))
        if likeness is None:
            return False
        lag = round(likeness.lag_s, 3)
        tx.conn.executemany(
            "INSERT OR IGNORE INTO near_duplicates VALUES (?, ?, ?, ?)",
            [
                (clip, other, likeness.similarity, lag),
                (other, clip, likeness.similarity, -lag),
            ],
        )
        return True

    def _loaded(self) -> NearIndex:
        if self._index is None:
            index, last = NearIndex(), 0
            while rows := self._keys_after(last):
                parts = [np.frombuffer(row["keys"], dtype="<u4") for row in rows]
                clips = np.array([row["clip_id"] for row in rows], dtype=np.uint32)
                index.add(np.repeat(clips, [len(part) for part in parts]), np.concatenate(parts))
                last = rows[-1]["clip_id"]
            self._index = index
        return self._index

    def _keys_after(self, clip: int) -> list[Row]:
        return self._db.rows(
            "SELECT clip_id, keys FROM fingerprint_keys WHERE clip_id > ? ORDER BY clip_id LIMIT ?",
            (clip, KEYS_AT_ONCE),
        )


def near_pairs(db: Database) -> list[tuple[int, int]]:
    """All pairs of clips that are nearly the same sound, in both directions."""
    rows = db.rows("SELECT clip_id, other_id FROM near_duplicates ORDER BY clip_id, other_id")
    return [(row["clip_id"], row["other_id"]) for row in rows]


def clusters(pairs: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Whatever hangs together, directly or through others: each member to the smallest of its
    cluster."""
    first: dict[int, int] = {}

    def root(member: int) -> int:
        first.setdefault(member, member)
        while first[member] != member:
            first[member] = first[first[member]]
            member = first[member]
        return member

    for one, other in pairs:
        low, high = sorted((root(one), root(other)))
        first[high] = low
    return {member: root(member) for member in list(first)}


def _cut_from_one(clip: int, parent: int | None, other: int, parent_of_other: int | None) -> bool:
    """Whether a person made one of the other, or both of one clip: that is known already."""
    siblings = parent is not None and parent == parent_of_other
    return siblings or parent == other or parent_of_other == clip
