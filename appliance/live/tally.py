"""How high scores rise, hour by hour: what a threshold would have let through.

A rise is the time from a label's score leaving the floor until it has fallen to half of
its peak; it would have been about one report at every threshold up to the peak. Counting peaks in
a few bins costs a row an hour for each label that stirred, and answers later what any threshold
would have done.
"""

from __future__ import annotations

import json
import math
import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from appliance.live.belief import BACKGROUND
from appliance.store.database import Database

FLOOR, CEILING, BINS = 0.1, 0.999, 48
FALLEN = 0.5  # share of its peak at which a rise is over
KEPT_DAYS = 60


def _edges() -> tuple[float, ...]:
    low, high = (math.log(p / (1 - p)) for p in (FLOOR, CEILING))
    steps = [low + (high - low) * place / (BINS - 1) for place in range(BINS)]
    return tuple(1 / (1 + math.exp(-step)) for step in steps)


EDGES = _edges()
"""Lower edges of the bins, evenly spread in log odds: closer together near 1."""


def bin_of(peak: float) -> int | None:
    """The bin of a peak; None under the floor."""
    place = int(np.searchsorted(EDGES, peak, side="right")) - 1
    return place if place >= 0 else None


class Rises:
    """One microphone's labels under one version. Not thread-safe."""

    def __init__(self, classes: Sequence[str]) -> None:
        self._classes = tuple(classes)
        self._peaks = np.zeros(len(self._classes), dtype=np.float32)  # 0: no rise goes on
        self._troughs = np.zeros(len(self._classes), dtype=np.float32)  # since the last one

    def push(self, scores: NDArray[np.float32]) -> list[tuple[str, float]]:
        """What is believed [classes] with one window more; (label, peak) of rises that ended."""
        rising = self._peaks > 0
        fallen = rising & (scores < np.maximum(FLOOR, FALLEN * self._peaks))
        over = [
            (self._classes[place], float(self._peaks[place])) for place in np.flatnonzero(fallen)
        ]
        # The tail of a rise is no rise: it must climb out of where it fell to.
        self._troughs = np.where(rising, scores, np.minimum(self._troughs, scores))
        begins = ~rising & (scores >= FLOOR) & (FALLEN * scores >= self._troughs)
        peaks = np.where(rising | begins, np.maximum(self._peaks, scores), 0)
        self._peaks = np.where(fallen, 0, peaks).astype(np.float32)
        return [(label, peak) for label, peak in over if label != BACKGROUND]


class Tally:
    """Thread-safe: `add` by the detector, `flush` by a thread that may wait for the disk."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._lock = threading.Lock()
        self._seconds: dict[tuple[str, str, int], float] = {}
        self._counts: dict[tuple[str, str, str, int], dict[int, int]] = {}

    def add(
        self,
        version: str,
        microphone: str,
        wall: float,
        seconds: float,
        peaks: Sequence[tuple[str, float]],
    ) -> None:
        """`seconds` more were listened to, and these rises ended."""
        hour = int(wall // 3600)
        with self._lock:
            key = (version, microphone, hour)
            self._seconds[key] = self._seconds.get(key, 0.0) + seconds
            for label, peak in peaks:
                place = bin_of(peak)
                if place is not None:
                    counts = self._counts.setdefault((version, label, microphone, hour), {})
                    counts[place] = counts.get(place, 0) + 1

    def flush(self) -> None:
        """Write what has gathered, in one transaction; kept in memory when that fails."""
        with self._lock:
            seconds, self._seconds = self._seconds, {}
            counts, self._counts = self._counts, {}
        if not seconds:
            return
        try:
            with self._db.write() as tx:
                for key, more in seconds.items():
                    tx.conn.execute(
                        "INSERT INTO listened VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE"
                        " SET seconds = seconds + excluded.seconds",
                        (*key, more),
                    )
                for tally, added in counts.items():
                    row = self._db.row(
                        "SELECT counts FROM score_tallies WHERE version = ? AND label = ?"
                        " AND microphone = ? AND hour = ?",
                        tally,
                    )
                    known = _counts(row["counts"]) if row else {}
                    for place, count in added.items():
                        known[place] = known.get(place, 0) + count
                    tx.conn.execute(
                        "INSERT OR REPLACE INTO score_tallies VALUES (?, ?, ?, ?, ?)",
                        (*tally, json.dumps(known)),
                    )
                oldest = max(key[2] for key in seconds) - 24 * KEPT_DAYS
                for table in ("listened", "score_tallies"):
                    tx.conn.execute(f"DELETE FROM {table} WHERE hour < ?", (oldest,))
        except BaseException:
            self._take_back(seconds, counts)
            raise

    def _take_back(
        self,
        seconds: dict[tuple[str, str, int], float],
        counts: dict[tuple[str, str, str, int], dict[int, int]],
    ) -> None:
        with self._lock:
            for key, more in seconds.items():
                self._seconds[key] = self._seconds.get(key, 0.0) + more
            for tally, added in counts.items():
                mine = self._counts.setdefault(tally, {})
                for place, count in added.items():
                    mine[place] = mine.get(place, 0) + count

    def hours(self, version: str) -> tuple[float, int]:
        """Hours that this version listened, over all microphones, and how many those were."""
        row = self._db.row(
            "SELECT sum(seconds) AS seconds, count(DISTINCT microphone) AS microphones"
            " FROM listened WHERE version = ?",
            [version],
        )
        if row is None or row["seconds"] is None:
            return 0.0, 0
        return float(row["seconds"]) / 3600, int(row["microphones"])

    def rises(self, version: str, label: str) -> NDArray[np.int64]:
        """How many rises of `label` ended in each bin: [BINS]."""
        found = np.zeros(BINS, dtype=np.int64)
        for row in self._db.rows(
            "SELECT counts FROM score_tallies WHERE version = ? AND label = ?", [version, label]
        ):
            for place, count in _counts(row["counts"]).items():
                found[place] += count
        return found


def _counts(text: str) -> dict[int, int]:
    return {int(place): int(count) for place, count in json.loads(text).items()}
