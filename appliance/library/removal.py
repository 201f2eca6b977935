"""Deleting a clip: first its row, durably, then its file.

A crash between the two leaves a file without a row. The other way round would leave a row that
promises a sound which is gone.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

from appliance.errors import Conflict, EarmarkError
from appliance.events import EventBus
from appliance.library import clip as clips
from appliance.library import history
from appliance.paths import DataFolder
from appliance.store.database import Database, Row

log = logging.getLogger(__name__)


class Removal:
    def __init__(self, db: Database, folder: DataFolder, bus: EventBus) -> None:
        self._db = db
        self._folder = folder
        self._bus = bus

    def delete(self, identifier: int, author: str) -> None:
        """NotFound, or Conflict when a dataset version holds the clip. Its history stays."""
        self.delete_many([identifier], author)

    def delete_many(self, identifiers: Sequence[int], author: str) -> None:
        """At most `clip.BATCH`, all or none, in one transaction. Raises as `delete`."""
        marks = ",".join("?" * len(identifiers))
        with self._db.write() as tx:
            # Not as a Clip: whatever else stands in the row, it goes.
            found = self._db.rows(
                "SELECT c.id, c.sha256, l.name AS label FROM clips c"
                f" LEFT JOIN labels l ON l.id = c.label_id WHERE c.id IN ({marks}) ORDER BY c.id",
                list(identifiers),
            )
            if missing := set(identifiers) - {clip["id"] for clip in found}:
                clips.get(self._db, min(missing))
            self._check_free(identifiers, marks)
            for clip in found:
                history.note(tx, [clip["id"]], author, clip["label"], None, "delete clip")
            tx.conn.execute(f"DELETE FROM clips WHERE id IN ({marks})", list(identifiers))
            if found:
                self._db.after_commit(lambda: self._gone(found))

    def _check_free(self, identifiers: Sequence[int], marks: str) -> None:
        rows = self._db.rows(
            "SELECT d.clip_id, v.name FROM dataset_clips d"
            " JOIN dataset_versions v ON v.id = d.dataset_id"
            f" WHERE d.clip_id IN ({marks}) ORDER BY d.clip_id, v.id",
            list(identifiers),
        )
        if not rows:
            return
        held = rows[0]["clip_id"]
        names = ", ".join(row["name"] for row in rows if row["clip_id"] == held)
        raise Conflict(
            f"clip {held} belongs to dataset version {names}",
            "a dataset version never changes; take the clip's label away instead, and the"
            " next version will do without it",
        )

    def _gone(self, gone: Sequence[Row]) -> None:
        try:
            # Under the write lock, since the same sound may have arrived again meanwhile.
            with self._db.write():
                for clip in gone:
                    self._unlink(clip)
        except EarmarkError as error:
            log.warning("the files of %d clips stay behind: %s", len(gone), error)
        told = {"action": "deleted", "clips": [clip["id"] for clip in gone]}
        self._bus.publish("clip", told)

    def _unlink(self, clip: Row) -> None:
        if self._db.row("SELECT 1 FROM clips WHERE sha256 = ?", (clip["sha256"],)):
            return
        try:
            self._folder.clip(clip["sha256"]).unlink(missing_ok=True)
        except OSError as error:
            log.warning("the file of clip %d stays behind: %s", clip["id"], error)
