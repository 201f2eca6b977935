"""Giving clips their labels. Every change leaves a row in the history, in the same transaction."""

from __future__ import annotations

from collections.abc import Sequence

from sqlite_utils import Database as SqliteUtils

from appliance.errors import NotFound
from appliance.events import EventBus
from appliance.library import history
from appliance.library.clip import BATCH
from appliance.library.labels import find_label, find_or_create
from appliance.library.names import label_name
from appliance.store.database import Database

# An event names no more clips than this; `count` says how many there are.
MOST_NAMED = 1000


class Labelling:
    def __init__(self, db: Database, bus: EventBus) -> None:
        self._db = db
        self._bus = bus

    def set(
        self,
        ids: Sequence[int],
        label: str | None,
        author: str,
        *,
        create: bool = False,
        why: str = "label",
    ) -> int:
        """Give all of `ids` this label, or none. Returns how many changed.

        All or nothing: NotFound when one of the clips does not exist, or, unless `create`, when
        nobody has created that label: a misspelt label would quietly become a class of its own.
        """
        with self._db.write() as tx:
            new_id: int | None = None
            name: str | None = None
            if label is not None:
                name = label_name(label)
                if create:
                    new_id = find_or_create(self._db, tx, self._bus, name)
                else:
                    new_id = find_label(self._db, name)
            changed: list[int] = []
            unique = list(dict.fromkeys(ids))
            for start in range(0, len(unique), BATCH):
                changed += self._set_some(
                    tx, unique[start : start + BATCH], new_id, name, author, why
                )
            if changed:
                told = {
                    "action": "labelled",
                    "clips": changed[:MOST_NAMED],
                    "count": len(changed),
                    "label": label,
                }
                self._db.after_commit(lambda: _tell(self._bus, told))
            return len(changed)

    def _set_some(
        self,
        tx: SqliteUtils,
        ids: Sequence[int],
        label_id: int | None,
        label: str | None,
        author: str,
        why: str,
    ) -> list[int]:
        marks = ",".join("?" * len(ids))
        rows = self._db.rows(
            "SELECT c.id, l.name AS label FROM clips c LEFT JOIN labels l ON l.id = c.label_id"
            f" WHERE c.id IN ({marks})",
            ids,
        )
        if missing := set(ids) - {row["id"] for row in rows}:
            raise NotFound(f"there is no clip {min(missing)}", "nothing was changed")
        changed = [row["id"] for row in rows if row["label"] != label]
        for row in rows:
            if row["label"] != label:
                history.note(tx, [row["id"]], author, row["label"], label, why)
        marks = ",".join("?" * len(changed))
        tx.conn.execute(
            f"UPDATE clips SET label_id = ? WHERE id IN ({marks})", [label_id, *changed]
        )
        return changed


def _tell(bus: EventBus, data: dict[str, object]) -> None:
    bus.publish("clip", data)
