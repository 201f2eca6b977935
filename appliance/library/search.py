"""Pages of clips, newest first, with a cursor that stays right while clips come and go.

A cursor is the position of the last row that was looked at, not a count: rows that are added or
deleted meanwhile neither repeat nor hide one. What no index answers (a text, or conditions that
few clips meet together) is looked for along the best index, over at most `MOST_WALKED` rows a
page. So no page takes long, however large the library; a page may then hold fewer clips than
asked for, or none, and still have a cursor to go on with.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from appliance.errors import InvalidInput
from appliance.library.clip import Clip, get_many
from appliance.library.filters import ClipFilter, Plan, plan
from appliance.store.database import Database

LARGEST_PAGE = 1000
MOST_WALKED = 1000


@dataclass(frozen=True)
class Page:
    """`next_cursor` is None at the end of the list."""

    items: list[Clip]
    next_cursor: str | None


# Where a walk stands: (id,) or (recorded_at, id).
Position = tuple[float, ...]


def page(db: Database, wanted: ClipFilter, cursor: str | None, limit: int) -> Page:
    """The clips that `wanted` describes, after `cursor`, at most `limit` (1 to 1000)."""
    if not 1 <= limit <= LARGEST_PAGE:
        raise InvalidInput(f"a page of {limit} clips", f"ask for 1 to {LARGEST_PAGE}")
    way = plan(db, wanted)
    ids, position = _walk(db, way, _parse(cursor, way), limit)
    return Page(get_many(db, ids), None if position is None else _format(position))


def ids(db: Database, wanted: ClipFilter) -> list[int]:
    """All clips that `wanted` describes, newest first, for a change to all of them."""
    way = plan(db, wanted)
    found, position = _walk(db, way, None, LARGEST_PAGE)
    while position is not None:
        more, position = _walk(db, way, position, LARGEST_PAGE)
        found += more
    return found


def _walk(
    db: Database, way: Plan, after: Position | None, limit: int
) -> tuple[list[int], Position | None]:
    """Up to `limit` ids, and where the walk stopped; None when it came to the end."""
    key = ", ".join(way.key)
    beyond = f"AND ({key}) < ({', '.join('?' * len(after))})" if after else ""
    walk = (
        f"FROM {way.source} WHERE {way.where} {beyond}"
        f" ORDER BY {', '.join(f'{column} DESC' for column in way.key)}"
    )
    values = (*way.where_values, *(after or ()))
    execute = db.read().conn.execute
    stopped: Position | None = None
    if way.rest is None:
        rows = execute(f"SELECT {key} {walk} LIMIT ?", (*values, limit + 1)).fetchall()
    else:
        fitting = execute(
            f"SELECT * FROM (SELECT {key}, {way.rest} AS fits {walk} LIMIT ?) WHERE fits LIMIT ?",
            (*way.rest_values, *values, MOST_WALKED, limit + 1),
        )
        rows = [row[:-1] for row in fitting.fetchall()]
        stopped = execute(
            f"SELECT {key} {walk} LIMIT 1 OFFSET ?", (*values, MOST_WALKED - 1)
        ).fetchone()
    if len(rows) > limit:
        rows, stopped = rows[:limit], rows[limit - 1]
    return [int(row[-1]) for row in rows], stopped


def _format(position: Position) -> str:
    return "_".join(repr(part) for part in position)


def _parse(cursor: str | None, way: Plan) -> Position | None:
    if cursor is None:
        return None
    try:
        parts = cursor.split("_")
        if len(parts) != len(way.key):
            raise ValueError("of another filter")
        last = int(parts[-1])
        before = [float(part) for part in parts[:-1]]
        if not -(2**63) <= last < 2**63 or not all(math.isfinite(part) for part in before):
            raise ValueError("not a position")
    except ValueError as error:
        raise InvalidInput(
            f"{cursor[:40]!r} is not a cursor of this list",
            "use `next` of the page before, with the same filters",
        ) from error
    return (*before, last)
