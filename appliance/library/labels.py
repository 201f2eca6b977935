"""Labels: the classes that people give their clips, and what is done to a label as a whole.

The number of clips and sessions of each label is kept by triggers in the schema, so that asking
for it costs the same with a hundred clips and with a hundred thousand.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from sqlite_utils import Database as SqliteUtils

from appliance.errors import Conflict, NotFound
from appliance.events import EventBus
from appliance.library import history
from appliance.library.names import BACKGROUND, label_name
from appliance.store.database import Database, Row
from appliance.text import did_you_mean

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelCount:
    """A label, how many clips carry it, and from how many sessions they come."""

    name: str
    clips: int
    sessions: int


def all_labels(db: Database) -> list[LabelCount]:
    """Every label, by name."""
    rows = db.rows("SELECT name, clips, sessions FROM labels ORDER BY name")
    return [LabelCount(**row) for row in rows]


def find_label(db: Database, name: str) -> int:
    """The id of an existing label. NotFound names the nearest one."""
    return int(_find(db, name)["id"])


def _find(db: Database, name: str) -> Row:
    asked = label_name(name)
    row = db.row("SELECT id, name, clips, sessions FROM labels WHERE name = ?", (asked,))
    if row is not None:
        return row
    names = [row["name"] for row in db.rows("SELECT name FROM labels ORDER BY name")]
    raise NotFound(
        f"there is no label {asked!r}",
        did_you_mean(
            asked, names, "`earmark labels` lists them, `earmark labels create` makes one"
        ),
    )


def find_or_create(db: Database, tx: SqliteUtils, bus: EventBus, name: str) -> int:
    """The id of the label, which is created when nobody has used it yet."""
    asked = label_name(name)
    row = db.row("SELECT id FROM labels WHERE name = ?", (asked,))
    if row is not None:
        return int(row["id"])
    cursor = tx.conn.execute(
        "INSERT INTO labels (name, created_at) VALUES (?, ?)", (asked, time.time())
    )
    db.after_commit(lambda: _tell(bus, "created", label=asked))
    return int(cursor.lastrowid or 0)


def _tell(bus: EventBus, action: str, **data: str) -> None:
    bus.publish("label", {"action": action, **data})


class Labels:
    def __init__(self, db: Database, bus: EventBus) -> None:
        self._db = db
        self._bus = bus

    def all(self) -> list[LabelCount]:
        """Every label, by name."""
        return all_labels(self._db)

    def get(self, name: str) -> LabelCount:
        """NotFound."""
        row = _find(self._db, name)
        return LabelCount(row["name"], row["clips"], row["sessions"])

    def create(self, name: str, author: str) -> LabelCount:
        """A label without clips. Conflict when there is one of that name."""
        asked = label_name(name)
        with self._db.write() as tx:
            if self._db.row("SELECT 1 FROM labels WHERE name = ?", (asked,)):
                raise Conflict(f"there is a label {asked!r} already", "use it, or choose another")
            find_or_create(self._db, tx, self._bus, asked)
        log.info("label %r created by %s", asked, author or "nobody")
        return LabelCount(asked, 0, 0)

    def rename(self, old: str, new: str, author: str) -> LabelCount:
        """Give the label, and with it all its clips, another name."""
        with self._db.write() as tx:
            label = find_label(self._db, old)
            before, after = label_name(old), label_name(new)
            _not_background(before, "renamed")
            if before == after:
                return self.get(after)
            if self._db.row("SELECT 1 FROM labels WHERE name = ?", (after,)):
                raise Conflict(
                    f"there is a label {after!r} already",
                    f"merge {before!r} into it, or choose another name",
                )
            history.note_whole_label(tx, label, author, before, after, "rename")
            tx.conn.execute("UPDATE labels SET name = ? WHERE id = ?", (after, label))
            self._db.after_commit(lambda: _tell(self._bus, "renamed", label=before, new=after))
            return self.get(after)

    def merge(self, source: str, into: str, author: str) -> LabelCount:
        """Give all clips of `source` the label `into`; `source` ends to exist."""
        with self._db.write() as tx:
            old, new = find_label(self._db, source), find_label(self._db, into)
            before, after = label_name(source), label_name(into)
            _not_background(before, "merged into another")
            if old == new:
                raise Conflict(f"{before!r} cannot be merged into itself", "name two labels")
            history.note_whole_label(tx, old, author, before, after, "merge")
            tx.conn.execute("UPDATE clips SET label_id = ? WHERE label_id = ?", (new, old))
            tx.conn.execute("DELETE FROM labels WHERE id = ?", (old,))
            self._db.after_commit(lambda: _tell(self._bus, "merged", label=before, into=after))
            return self.get(after)

    def delete(self, name: str, author: str) -> int:
        """The label goes; its clips stay, without a label. Returns how many those are."""
        with self._db.write() as tx:
            label = find_label(self._db, name)
            before = label_name(name)
            _not_background(before, "deleted")
            clips = self.get(before).clips
            history.note_whole_label(tx, label, author, before, None, "delete label")
            tx.conn.execute("UPDATE clips SET label_id = NULL WHERE label_id = ?", (label,))
            tx.conn.execute("DELETE FROM labels WHERE id = ?", (label,))
            self._db.after_commit(lambda: _tell(self._bus, "deleted", label=before))
            return clips


def _not_background(name: str, what: str) -> None:
    if name == BACKGROUND:
        raise Conflict(
            f"{BACKGROUND!r} is reserved and cannot be {what}",
            "it stands for what must never be reported; to empty it: "
            "`earmark label --none --labelled background`",
        )
