"""The score that a sound must reach before it is reported: one per label, else the setting."""

from __future__ import annotations

import threading
import time

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

    def get(self, label: str) -> float:
        """Its own threshold, or the default (0 to 1)."""
        with self._lock:
            return self._known().get(label, self.default)

    def all(self) -> dict[str, float]:
        """Those labels that have their own."""
        with self._lock:
            return dict(self._known())

    def _known(self) -> dict[str, float]:
        if self._values is None:
            rows = self._db.rows("SELECT label, value FROM thresholds")
            self._values = {row["label"]: row["value"] for row in rows}
        return self._values

    def set(self, label: str, value: float, author: str = "") -> float:
        """Give `label` its own threshold. Raises InvalidInput outside 0 to 1."""
        if not 0 < value <= 1:
            raise InvalidInput(
                f"a threshold of {value!r} is not above 0 and up to 1",
                "0.5 reports much, 0.9 little; the default is in the setting listen.threshold",
            )
        with self._lock:
            with self._db.write() as db:
                db.conn.execute(
                    "INSERT INTO thresholds (label, value, author, at) VALUES (?, ?, ?, ?) "
                    "ON CONFLICT (label) DO UPDATE SET "
                    "value = excluded.value, author = excluded.author, at = excluded.at",
                    [label, float(value), author, time.time()],
                )
            self._values = None
        return float(value)

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
