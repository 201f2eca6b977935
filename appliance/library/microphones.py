"""The rows of the microphones that a person has set up. What they do now is `recording/`'s."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.library.names import has_control
from appliance.store.database import Database, Row
from appliance.text import did_you_mean

LONGEST_NAME = 100
LONGEST_ID = 4096  # of a replay, the id holds a path
GAIN_DB = (-60.0, 60.0)


@dataclass(frozen=True)
class MicrophoneRecord:
    """`id` is stable: USB path and serial, or `replay:PATH`. `source` is what is opened: a
    device's id, `default`, or `replay:PATH`. `channel` None mixes all. `trigger` holds the
    settings of recording by itself, None when that is off."""

    id: str
    name: str
    source: str
    enabled: bool = True
    listen: bool = True
    gain_db: float = 0.0
    channel: int | None = None
    trigger: dict[str, Any] | None = None
    created_at: float = field(default_factory=time.time)


@dataclass(frozen=True)
class FormerMicrophone:
    """A microphone that was removed, under the last name that it had."""

    id: str
    name: str
    removed_at: float


def find_microphone(db: Database, key: str) -> str:
    """The id of a microphone by its id or name, also of one that was removed, whose clips are
    still there. What is set up goes first. NotFound."""
    for query in (
        "SELECT id FROM microphones WHERE id = ?",
        "SELECT id FROM microphones WHERE name = ?",
        "SELECT id FROM former_microphones WHERE id = ?",
        "SELECT id FROM former_microphones WHERE name = ? ORDER BY removed_at DESC LIMIT 1",
        "SELECT microphone AS id FROM clips WHERE microphone = ? LIMIT 1",
    ):
        if row := db.row(query, (key,)):
            return str(row["id"])
    names = db.rows("SELECT name FROM microphones UNION SELECT name FROM former_microphones")
    raise no_microphone(key, [row["name"] for row in names])


def no_microphone(key: str, names: Iterable[str]) -> NotFound:
    """The error of whoever looked for `key` among `names`."""
    return NotFound(
        f"there is no microphone {key!r}",
        did_you_mean(key, names, "`earmark devices` lists them, `earmark devices add` sets one up"),
    )


class MicrophoneRecords:
    def __init__(self, db: Database) -> None:
        self._db = db

    def all(self) -> list[MicrophoneRecord]:
        """By name."""
        return [_record(row) for row in self._db.rows("SELECT * FROM microphones ORDER BY name")]

    def get(self, identifier: str) -> MicrophoneRecord:
        """By id or by name; an id goes first. NotFound."""
        row = self._db.row("SELECT * FROM microphones WHERE id = ?", (identifier,)) or self._db.row(
            "SELECT * FROM microphones WHERE name = ?", (identifier,)
        )
        if row is None:
            raise no_microphone(identifier, [record.name for record in self.all()])
        return _record(row)

    def former(self) -> list[FormerMicrophone]:
        """Those that were removed and are not set up again, the latest first."""
        rows = self._db.rows(
            "SELECT * FROM former_microphones WHERE id NOT IN (SELECT id FROM microphones)"
            " ORDER BY removed_at DESC"
        )
        return [FormerMicrophone(**row) for row in rows]

    def put(self, record: MicrophoneRecord) -> MicrophoneRecord:
        """Add the microphone, or replace the one with that id. Conflict when another microphone
        has the name, InvalidInput when a value makes no sense."""
        _check(record)
        with self._db.write() as tx:
            other = self._db.row(
                "SELECT id FROM microphones WHERE name = ? AND id != ?", (record.name, record.id)
            )
            if other is not None:
                raise Conflict(
                    f"another microphone is called {record.name!r}", "choose another name"
                )
            # Not INSERT OR REPLACE: that deletes the row first, and its schedules with it.
            tx.conn.execute(
                "INSERT INTO microphones (id, name, source, enabled, listen, gain_db, channel,"
                " trigger, created_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (id) DO UPDATE SET name = excluded.name, source = excluded.source,"
                " enabled = excluded.enabled, listen = excluded.listen,"
                " gain_db = excluded.gain_db, channel = excluded.channel,"
                " trigger = excluded.trigger",
                (
                    record.id,
                    record.name,
                    record.source,
                    record.enabled,
                    record.listen,
                    record.gain_db,
                    record.channel,
                    None if record.trigger is None else json.dumps(record.trigger),
                    record.created_at,
                ),
            )
        return self.get(record.id)

    def remove(self, identifier: str) -> None:
        """The microphone and its schedules go; its clips, detections and name stay. NotFound."""
        with self._db.write() as tx:
            record = self.get(identifier)
            tx.conn.execute(
                "INSERT OR REPLACE INTO former_microphones VALUES (?, ?, ?)",
                (record.id, record.name, time.time()),
            )
            tx.conn.execute("DELETE FROM microphones WHERE id = ?", (record.id,))


def _record(row: Row) -> MicrophoneRecord:
    return MicrophoneRecord(
        id=row["id"],
        name=row["name"],
        source=row["source"],
        enabled=bool(row["enabled"]),
        listen=bool(row["listen"]),
        gain_db=row["gain_db"],
        channel=row["channel"],
        trigger=None if row["trigger"] is None else json.loads(row["trigger"]),
        created_at=row["created_at"],
    )


def _check(record: MicrophoneRecord) -> None:
    name = record.name
    if not name.strip() or len(name) > LONGEST_NAME or has_control(name):
        raise InvalidInput(
            f"{name[:40]!r} cannot be a microphone's name",
            f"use 1 to {LONGEST_NAME} characters without line breaks",
        )
    for text in (record.id, record.source):
        if not text or len(text) > LONGEST_ID or has_control(text):
            raise InvalidInput(f"{text[:40]!r} cannot be a microphone", "see `earmark devices`")
    if not GAIN_DB[0] <= record.gain_db <= GAIN_DB[1]:
        raise InvalidInput(
            f"a gain of {record.gain_db:g} dB", f"use {GAIN_DB[0]:g} to {GAIN_DB[1]:g} dB"
        )
    if record.channel is not None and not 0 <= record.channel < 64:
        raise InvalidInput(f"channel {record.channel}", "channels count from 0")
