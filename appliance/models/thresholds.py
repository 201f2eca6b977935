"""The score that a sound must reach before it is reported: one per label, else the setting."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Mapping
from typing import Any

from appliance.errors import InvalidInput
from appliance.events import Event
from appliance.settings import Settings
from appliance.store.database import Database


class Thresholds:
    """The table `thresholds`, kept in memory: listening asks for every window."""

    def __init__(self, db: Database, settings: Settings) -> None:
        self._db = db
        self.default = settings.listen.threshold
        self._lock = threading.Lock()
        self._values: dict[str, float] | None = None
        self._rates: dict[str, float] = {}

    def get(self, label: str) -> float:
        """Its own threshold, or the default (0 to 1)."""
        with self._lock:
            return self._known().get(label, self.default)

    def all(self) -> dict[str, float]:
        """Those labels that have their own."""
        with self._lock:
            return dict(self._known())

    def rate(self, label: str) -> float | None:
        """The false alarms a day that its threshold shall keep; None when a person set it."""
        return self.rates().get(label)

    def rates(self) -> dict[str, float]:
        """Those labels whose threshold follows a rate."""
        with self._lock:
            self._known()
            return dict(self._rates)

    def _known(self) -> dict[str, float]:
        if self._values is None:
            rows = self._db.rows("SELECT label, value, per_day FROM thresholds")
            self._values = {row["label"]: row["value"] for row in rows}
            self._rates = {
                row["label"]: row["per_day"] for row in rows if row["per_day"] is not None
            }
        return self._values

    def set(self, label: str, value: float, author: str = "") -> float:
        """Give `label` its own threshold. Raises InvalidInput outside 0 to 1."""
        if not 0 < value <= 1:
            raise InvalidInput(
                f"a threshold of {value!r} is not above 0 and up to 1",
                "0.5 reports much, 0.9 little; the default is in the setting listen.threshold",
            )
        self._put(label, float(value), None, {}, author)
        return float(value)

    def set_rate(
        self, label: str, value: float, per_day: float, solution: Mapping[str, Any], author: str
    ) -> None:
        """A threshold that was solved to let `per_day` false alarms a day through; `solution`
        says what it rests on."""
        self._put(label, value, per_day, solution, author)

    def _put(
        self,
        label: str,
        value: float,
        per_day: float | None,
        solution: Mapping[str, Any],
        author: str,
    ) -> None:
        with self._lock:
            with self._db.write() as db:
                db.conn.execute(
                    "INSERT INTO thresholds (label, value, author, at, per_day, solution)"
                    " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (label) DO UPDATE SET"
                    " value = excluded.value, author = excluded.author, at = excluded.at,"
                    " per_day = excluded.per_day, solution = excluded.solution",
                    [label, value, author, time.time(), per_day, json.dumps(dict(solution))],
                )
            self._values = None

    def follow(self, event: Event) -> None:
        """A renamed label keeps its threshold. The old name keeps it too: the version that
        listens still says that one."""
        if event.topic == "label" and event.data["action"] == "renamed":
            before, after = event.data["label"], event.data["new"]
            if (value := self.all().get(before)) is not None and after not in self.all():
                self.set(after, value, "rename")

    def clear(self, label: str) -> float:
        """Back to the default, which is returned."""
        with self._lock:
            with self._db.write() as db:
                db.conn.execute("DELETE FROM thresholds WHERE label = ?", [label])
            self._values = None
        return self.default
