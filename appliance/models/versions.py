"""V001, V002, ...: published once, never renumbered, deleted without losing their row.

Publishing survives a power cut at every step. The result folder first gets an `origin.json` with
everything that its row will hold, then becomes `versions/V00N` by a rename, then the row is
committed. A folder without a row is therefore a publication that was cut short, and `recover`
completes it. Deleting goes the other way: the row says so first, then the weights go.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from appliance.errors import Conflict, EarmarkError, InvalidInput, NotFound
from appliance.events import EventBus
from appliance.models.card import read_card, read_evaluation, read_json, why_optimistic
from appliance.models.lineage import trace
from appliance.models.result import WEIGHTS, file_sha256
from appliance.models.version import TRAINED, Version, version_name
from appliance.paths import DataFolder, fsync_folder
from appliance.store.database import Database, Row
from appliance.text import how_to_begin

log = logging.getLogger(__name__)

ORIGIN = "origin.json"
LONGEST_NOTE = 2000
SHOWN = 5
_SELECT = """
    SELECT v.*, EXISTS (SELECT 1 FROM deployments d
                        WHERE d.version = v.name AND d.state = 'live') AS deployed
    FROM versions v
"""


class Versions:
    """The table `versions` and the folder of the same name."""

    def __init__(self, db: Database, folder: DataFolder, bus: EventBus) -> None:
        self._db = db
        self._folder = folder
        self._bus = bus
        self._guards: list[Callable[[str], Conflict | None]] = []
        self._optimistic: dict[str, str] = {}

    # --- reading ---------------------------------------------------------------------------------

    def all(self) -> list[Version]:
        """Every version that was not deleted, the newest first."""
        rows = self._db.rows(_SELECT + " WHERE v.deleted_at IS NULL ORDER BY v.number DESC")
        return [self._version(row) for row in rows]

    def get(self, name: str) -> Version:
        """Raises NotFound, and says so when it existed once."""
        return self._version(self._row(name))

    def how_to_begin(self) -> str:
        """How one comes to listen, where none does."""
        row = self._db.row(
            "SELECT name FROM versions WHERE deleted_at IS NULL ORDER BY number DESC LIMIT 1"
        )
        return how_to_begin(row["name"] if row else None)

    def of_job(self, job: int) -> Version | None:
        """The version that a job made, deleted or not."""
        row = self._db.row(_SELECT + " WHERE v.job_id = ?", [job])
        return self._version(row) if row else None

    def card(self, name: str) -> dict[str, Any]:
        """The card: classes, window, architecture, all training parameters."""
        card: dict[str, Any] = json.loads(self._row(name)["card"])
        return card

    def evaluation(self, name: str) -> dict[str, Any]:
        """Figures by class, confusion matrix, predictions and curves."""
        self._row(name)
        return read_evaluation(self.path(name) / "evaluation.json")

    def lineage(self, name: str) -> dict[str, Any]:
        """Where it comes from: dataset version, clips, microphones, and its parents'."""
        return trace(self._db, self._folder, self._row(name)["name"])

    def path(self, name: str) -> Path:
        """The folder of its files."""
        return self._folder.version(name)

    def onnx_sha256(self, name: str) -> str:
        """What its network's file must hash to."""
        return str(self._row(name)["onnx_sha256"])

    def _version(self, row: Row) -> Version:
        return Version.from_row(row, self._why_optimistic(row["name"]))

    def _why_optimistic(self, name: str) -> str:
        """From its evaluation, which is read once: it never changes."""
        if name not in self._optimistic:
            try:
                evaluation = read_evaluation(self.path(name) / "evaluation.json")
            except EarmarkError as error:
                log.debug("%s has no readable evaluation: %s", name, error)
                return ""
            self._optimistic[name] = why_optimistic(evaluation)
        return self._optimistic[name]

    def _row(self, name: str) -> Row:
        row = self._db.row(_SELECT + " WHERE v.name = ?", [name])
        if row is None:
            there = [version.name for version in self.all()[:SHOWN]]
            raise NotFound(
                f"there is no version {name[:80]!r}",
                f"known: {', '.join(there)}; `earmark versions` lists them all"
                if there
                else "none was trained yet: `earmark train` makes the first",
            )
        if row["deleted_at"] is not None:
            raise NotFound(f"version {name} was deleted", "`earmark versions` lists those left")
        return row

    # --- changing --------------------------------------------------------------------------------

    def publish(
        self,
        result: Path,
        *,
        job: int | None,
        dataset_version: str | None,
        parent: str | None,
        stopped: str,
        seconds: float,
        source: str = TRAINED,
        note: str = "",
        windows_missed: int | None = None,
        lineage: dict[str, Any] | None = None,
    ) -> Version:
        """Make the checked result folder the next version; the folder moves.

        A job makes one version: published again, the first answer is given again. Raises
        InvalidInput when card or evaluation cannot be read; nothing has changed then.
        """
        with self._db.write():
            self._adopt_orphans()
            if job is not None and (made := self.of_job(job)):
                return made
            read_card(result / "card.json")
            read_evaluation(result / "evaluation.json")
            origin = {
                "job": job,
                "dataset_version": dataset_version,
                "parent": parent,
                "stopped": stopped,
                "seconds": seconds,
                "source": source,
                "windows_missed": windows_missed,
                "note": note,
                "lineage": lineage or {},
                "created_at": time.time(),
            }
            _write_durably(result / ORIGIN, json.dumps(origin))
            target = self.path(version_name(self._next_number()))
            result.rename(target)
            fsync_folder(target.parent)
            fsync_folder(result.parent)
            version = self._insert(target)
            log.info("version %s: accuracy %s", version.name, version.accuracy)
            self._tell(version.name, "published")
            return version

    def _tell(self, name: str, what: str) -> None:
        """Inside a transaction: tell the bus once it is durable."""

        def publish() -> None:
            self._bus.publish("version", {"version": name, "what": what})

        self._db.after_commit(publish)

    def note(self, name: str, text: str) -> Version:
        """Replace its note."""
        if len(text) > LONGEST_NOTE:
            raise InvalidInput(f"a note has at most {LONGEST_NOTE} characters", "shorten it")
        with self._db.write() as db:
            self._row(name)
            db.conn.execute("UPDATE versions SET note = ? WHERE name = ?", [text, name])
            self._tell(name, "note")
            return self.get(name)

    def guard(self, objection: Callable[[str], Conflict | None]) -> None:
        """Ask `objection(name)` before a delete; a Conflict in answer refuses it."""
        self._guards.append(objection)

    def delete(self, name: str) -> None:
        """Remove the weights; the row and its figures stay. Conflict while it is in use."""
        with self._db.write() as db:
            if self._row(name)["deployed"]:
                raise Conflict(f"{name} is deployed", "deploy another version or roll back first")
            for objection in self._guards:
                if (refusal := objection(name)) is not None:
                    raise refusal
            db.conn.execute(
                "UPDATE versions SET deleted_at = ? WHERE name = ?", [time.time(), name]
            )
            # The row first: weights without a row would be taken for a publication cut short.
            self._db.after_commit(lambda: self._remove_weights(name))
            self._tell(name, "deleted")
        log.info("version %s deleted", name)

    # --- after a cut -----------------------------------------------------------------------------

    def recover(self) -> list[Version]:
        """Complete what a power cut interrupted; the versions that were completed."""
        with self._db.write():
            adopted = self._adopt_orphans()
        gone = self._db.rows("SELECT name FROM versions WHERE deleted_at IS NOT NULL")
        for row in gone:
            self._remove_weights(row["name"])
        for unfinished in self._folder.versions.glob("incoming-*"):
            shutil.rmtree(unfinished, ignore_errors=True)
        return adopted

    def _adopt_orphans(self) -> list[Version]:
        self._db.reserve_ids("versions", self._largest_on_disk())
        known = {row["name"] for row in self._db.rows("SELECT name FROM versions")}
        adopted = []
        for path in sorted(self._folder.versions.glob("V*")):
            if path.name in known or not path.name[1:].isdecimal():
                continue
            try:
                version = self._insert(path)
            # OSError: without its network, as a version that was deleted before a restore.
            except (EarmarkError, OSError, KeyError) as error:
                aside = self._folder.quarantine / f"{path.name}-{time.time_ns()}"
                log.error("%s cannot become a version (%s): moved to %s", path, error, aside)
                aside.parent.mkdir(exist_ok=True)
                path.rename(aside)
            else:
                log.warning("publication of %s was cut short: completed", version.name)
                adopted.append(version)
        return adopted

    def _insert(self, path: Path) -> Version:
        card = read_card(path / "card.json")
        evaluation = read_evaluation(path / "evaluation.json")
        origin = read_json(path / ORIGIN)
        row = {
            "number": int(path.name[1:]),
            "name": path.name,
            "created_at": origin["created_at"],
            "job_id": origin["job"],
            "dataset_version": origin["dataset_version"],
            "parent": origin["parent"],
            "source": origin["source"],
            "windows_missed": origin.get("windows_missed"),
            "classes": json.dumps(card.classes),
            "accuracy": evaluation["accuracy"],
            "macro_f1": evaluation["macro"]["f1"],
            "stopped": origin["stopped"],
            "seconds": origin["seconds"],
            "onnx_sha256": file_sha256(path / "model.onnx"),
            "card": json.dumps(card.raw),
            "lineage": json.dumps(origin["lineage"]),
            "note": origin["note"],
        }
        with self._db.write() as db:
            columns = ", ".join(row)
            values = ", ".join(f":{name}" for name in row)
            db.conn.execute(f"INSERT INTO versions ({columns}) VALUES ({values})", row)
        return self.get(path.name)

    def _next_number(self) -> int:
        """One more than was ever used, by a row or by a folder (`_adopt_orphans`)."""
        row = self._db.row("SELECT seq FROM sqlite_sequence WHERE name = 'versions'")
        return int(row["seq"]) + 1 if row else 1

    def _largest_on_disk(self) -> int:
        """The largest number that a folder has: here, where that of a deleted version stays, or in
        quarantine. After an older database was restored, no row knows of them."""
        found = (
            *self._folder.versions.glob("V*"),
            *self._folder.quarantine.glob("V*"),
            *self._folder.quarantine.glob("*/V*"),
        )
        numbers = [path.name[1:].partition("-")[0] for path in found]
        return max((int(number) for number in numbers if number.isdecimal()), default=0)

    def _remove_weights(self, name: str) -> None:
        path = self.path(name)
        if not path.exists():
            return
        for file in WEIGHTS:
            (path / file).unlink(missing_ok=True)
        fsync_folder(path)


def _write_durably(path: Path, text: str) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    fsync_folder(path.parent)
