"""Deleting a clip: first its row, durably, then its file.

A crash between the two leaves a file without a row. The other way round would leave a row that
promises a sound which is gone.
"""

from __future__ import annotations

import logging

from appliance.errors import Conflict, EarmarkError
from appliance.events import EventBus
from appliance.library import clip as clips
from appliance.library import history
from appliance.paths import DataFolder
from appliance.store.database import Database

log = logging.getLogger(__name__)


class Removal:
    def __init__(self, db: Database, folder: DataFolder, bus: EventBus) -> None:
        self._db = db
        self._folder = folder
        self._bus = bus

    def delete(self, identifier: int, author: str) -> None:
        """NotFound, or Conflict when a dataset version holds the clip. Its history stays."""
        with self._db.write() as tx:
            clip = clips.get(self._db, identifier)
            if holders := self._holders(identifier):
                raise Conflict(
                    f"clip {identifier} belongs to dataset version {', '.join(holders)}",
                    "a dataset version never changes; take the clip's label away instead, and the"
                    " next version will do without it",
                )
            history.note(tx, [identifier], author, clip.label, None, "delete clip")
            tx.conn.execute("DELETE FROM clips WHERE id = ?", (identifier,))
            self._db.after_commit(lambda: self._gone(identifier, clip.sha256))

    def _holders(self, identifier: int) -> list[str]:
        rows = self._db.rows(
            "SELECT v.name FROM dataset_clips d JOIN dataset_versions v ON v.id = d.dataset_id"
            " WHERE d.clip_id = ? ORDER BY v.id",
            (identifier,),
        )
        return [row["name"] for row in rows]

    def _gone(self, identifier: int, sha256: str) -> None:
        try:
            # Under the write lock, since the same sound may have arrived again meanwhile.
            with self._db.write():
                if not self._db.row("SELECT 1 FROM clips WHERE sha256 = ?", (sha256,)):
                    self._folder.clip(sha256).unlink(missing_ok=True)
        except (EarmarkError, OSError) as error:
            log.warning("the file of clip %d stays behind: %s", identifier, error)
        self._bus.publish("clip", {"action": "deleted", "clips": [identifier]})
