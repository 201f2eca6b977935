"""What one may ask of the list of clips, and how the database answers it without a long walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from appliance.errors import InvalidInput
from appliance.library.clip import SOURCES
from appliance.library.datasets import find_dataset
from appliance.library.labels import find_label
from appliance.library.microphones import find_microphone
from appliance.library.sessions import Sessions
from appliance.store.database import Database
from appliance.text import did_you_mean


@dataclass(frozen=True)
class ClipFilter:
    """Every condition must hold. `microphone` is an id or a name, also of one that was removed;
    `session` is an id or a key; `since` and `until` (excluded) are
    epoch seconds of `recorded_at`; `text` is looked for in the file's name and the session's key,
    in any case of letters; `duplicates`: only clips that are nearly the same sound as another."""

    label: str | None = None
    unlabelled: bool = False
    microphone: str | None = None
    session: int | str | None = None
    source: str | None = None
    since: float | None = None
    until: float | None = None
    dataset_version: str | None = None
    text: str | None = None
    duplicates: bool = False

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> ClipFilter:
        """From names and values as a client sends them. InvalidInput on one that is unknown."""
        known = [field.name for field in fields(cls)]
        for name in given:
            if name not in known:
                raise InvalidInput(
                    f"clips have no filter {name!r}",
                    did_you_mean(name, known, f"there are {', '.join(known)}"),
                )
        return cls(**given)


@dataclass(frozen=True)
class Plan:
    """How to walk: over which table or index, by which key, and what to skip on the way.

    `key`: the columns whose falling order is the list's, by id or by `recorded_at` and id.
    `where` is what the index answers by itself; `rest` is asked of every row that the walk
    meets, None when nothing is left to ask.
    """

    source: str
    key: tuple[str, ...]
    where: str
    where_values: tuple[Any, ...]
    rest: str | None
    rest_values: tuple[Any, ...]


# The first whose columns are all asked for is taken, so the choosiest stand first.
_BY_ID: tuple[tuple[tuple[str, ...], str], ...] = (
    (("session_id",), "clips c INDEXED BY clips_by_session"),
    (("duplicates",), "clips c INDEXED BY clips_alike"),
    (("dataset",), "dataset_clips d CROSS JOIN clips c ON c.id = d.clip_id"),
    (("label_id", "microphone"), "clips c INDEXED BY clips_by_label_microphone"),
    (("label_id",), "clips c INDEXED BY clips_by_label"),
    (("microphone",), "clips c INDEXED BY clips_by_microphone"),
    (("source",), "clips c INDEXED BY clips_by_source"),
    ((), "clips c NOT INDEXED"),
)
_BY_TIME: tuple[tuple[tuple[str, ...], str], ...] = (
    (("label_id", "microphone"), "clips c INDEXED BY clips_by_label_microphone_time"),
    (("label_id",), "clips c INDEXED BY clips_by_label_time"),
    (("microphone",), "clips c INDEXED BY clips_by_microphone_time"),
    ((), "clips c INDEXED BY clips_by_time"),
)

Condition = tuple[str, Any]


def plan(db: Database, wanted: ClipFilter) -> Plan:
    """Raises InvalidInput on a filter that means nothing, NotFound on an unknown name."""
    asked = _conditions(db, wanted)
    timed = "since" in asked or "until" in asked
    # A session is short, and in its order by itself; everything else has an index by time.
    by_time = timed and "session_id" not in asked
    columns, source = next(
        (columns, source)
        for columns, source in (_BY_TIME if by_time else _BY_ID)
        if all(column in asked for column in columns)
    )
    walked = (*columns, "since", "until") if by_time else columns
    first = [asked[name] for name in asked if name in walked]
    rest = [asked[name] for name in asked if name not in walked]
    key: tuple[str, ...] = ("c.recorded_at", "c.id") if by_time else ("c.id",)
    if "dataset" in columns:
        first, key = [("d.dataset_id = ?", asked["dataset"][1])], ("d.clip_id",)
    return Plan(
        source=source,
        key=key,
        where=" AND ".join(sql for sql, _ in first) or "TRUE",
        where_values=_values(first),
        rest=" AND ".join(sql for sql, _ in rest) or None,
        rest_values=_values(rest),
    )


def _conditions(db: Database, wanted: ClipFilter) -> dict[str, Condition]:
    """Each asked condition as SQL on `c` with its one value."""
    asked: dict[str, Condition] = {}
    if wanted.label is not None:
        if wanted.unlabelled:
            raise InvalidInput("a clip has a label or none", "ask for `label` or `unlabelled`")
        asked["label_id"] = ("c.label_id IS ?", find_label(db, wanted.label))
    elif wanted.unlabelled:
        asked["label_id"] = ("c.label_id IS ?", None)
    if wanted.microphone is not None:
        asked["microphone"] = ("c.microphone = ?", find_microphone(db, wanted.microphone))
    if wanted.session is not None:
        asked["session_id"] = ("c.session_id = ?", _session(db, wanted.session))
    if wanted.source is not None:
        if wanted.source not in SOURCES:
            raise InvalidInput(
                f"{wanted.source!r} is no source of clips", f"one of {', '.join(SOURCES)}"
            )
        asked["source"] = ("c.source = ?", wanted.source)
    if wanted.since is not None and wanted.until is not None and wanted.since > wanted.until:
        raise InvalidInput("`since` lies after `until`", "swap the two times")
    if wanted.since is not None:
        asked["since"] = ("c.recorded_at >= ?", wanted.since)
    if wanted.until is not None:
        asked["until"] = ("c.recorded_at < ?", wanted.until)
    if wanted.dataset_version is not None:
        asked["dataset"] = (
            "EXISTS (SELECT 1 FROM dataset_clips d WHERE d.dataset_id = ? AND d.clip_id = c.id)",
            find_dataset(db, wanted.dataset_version).id,
        )
    if wanted.text is not None:
        asked["text"] = (
            "coalesce(c.filename, '') || char(10) ||"
            " (SELECT key FROM sessions s WHERE s.id = c.session_id) LIKE ? ESCAPE '\\'",
            _like(wanted.text),
        )
    if wanted.duplicates:
        # The literal comparison is what the partial index asks for; the value is always true.
        asked["duplicates"] = ("(c.alike > 0 AND ?)", True)
    return asked


def _values(conditions: list[Condition]) -> tuple[Any, ...]:
    return tuple(value for _, value in conditions)


def _session(db: Database, session: int | str) -> int:
    if isinstance(session, int):
        return Sessions(db).get(session).id
    return Sessions(db).find(session).id


def _like(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"%{escaped}%"
