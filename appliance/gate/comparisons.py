"""The table `comparisons`: every time that a version was heard against another, and the report."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from appliance.errors import InvalidInput, NotFound
from appliance.store.database import Database, Row

RUNNING, PASSED, REFUSED, FAILED, CANCELLED = "running", "passed", "refused", "failed", "cancelled"
DEPLOY, COMPARE = "deploy", "compare"
LARGEST_PAGE = 500


@dataclass(frozen=True)
class Comparison:
    """`live` is what `candidate` is held against, null when there is nothing; `purpose`: deploy or
    compare; `state`: running, passed, refused, failed or cancelled, with the words for it in
    `detail`. `deployment`: what it led to. `progress` while it runs: {"phase", "fraction" (0 to
    1), "left_s"}. `report` is empty while it runs, and in lists.
    """

    id: int
    candidate: str
    live: str | None
    purpose: str
    state: str
    detail: str
    forced: bool
    deployment: int | None
    author: str
    started_at: float
    ended_at: float | None
    report: dict[str, Any]
    progress: dict[str, Any] | None = None


class Comparisons:
    def __init__(self, db: Database) -> None:
        self._db = db

    def get(self, identifier: int) -> Comparison:
        """With its report. NotFound."""
        row = self._db.row("SELECT * FROM comparisons WHERE id = ?", [identifier])
        if row is None:
            raise NotFound(
                f"there is no comparison {identifier}", "`earmark compare` lists those there are"
            )
        return _comparison(row)

    def page(self, limit: int, before: str | None) -> tuple[list[Comparison], str | None]:
        """The newest first, without their reports; and the cursor of the next page."""
        if not 1 <= limit <= LARGEST_PAGE:
            raise InvalidInput(f"a page of {limit}", f"ask for 1 to {LARGEST_PAGE}")
        if before is not None and not (before.isascii() and before.isdigit() and len(before) < 19):
            raise InvalidInput(f"{before[:40]!r} is no cursor", "pass on `next` of the page before")
        rows = self._db.rows(
            "SELECT id, candidate, live, purpose, state, detail, forced, deployment_id, author,"
            " started_at, ended_at, '{}' AS report FROM comparisons WHERE id < ?"
            " ORDER BY id DESC LIMIT ?",
            [2**62 if before is None else int(before), limit + 1],
        )
        items = [_comparison(row) for row in rows[:limit]]
        return items, str(items[-1].id) if len(rows) > limit else None

    def of_deployment(self, deployment: int) -> Comparison:
        """What a deployment was let through by. NotFound when it was by none (a rollback)."""
        row = self._db.row("SELECT * FROM comparisons WHERE deployment_id = ?", [deployment])
        if row is None:
            raise NotFound(
                f"deployment {deployment} was not compared with another",
                "a rollback goes back to what listened before, without a comparison",
            )
        return _comparison(row)

    def begin(
        self, candidate: str, live: str | None, purpose: str, forced: bool, author: str
    ) -> int:
        with self._db.write() as tx:
            cursor = tx.conn.execute(
                "INSERT INTO comparisons"
                " (candidate, live, purpose, state, forced, author, started_at)"
                " VALUES (?, ?, ?, ?, ?, ?, ?)",
                [candidate, live, purpose, RUNNING, int(forced), author, time.time()],
            )
        return int(cursor.lastrowid or 0)

    def keep(self, identifier: int, report: dict[str, Any]) -> None:
        """The report, while the comparison still runs: the deployment comes after it."""
        with self._db.write() as tx:
            tx.conn.execute(
                "UPDATE comparisons SET report = ? WHERE id = ?",
                [json.dumps(report, ensure_ascii=False), identifier],
            )

    def end(self, identifier: int, state: str, detail: str, deployment: int | None = None) -> None:
        with self._db.write() as tx:
            tx.conn.execute(
                "UPDATE comparisons SET state = ?, detail = ?, deployment_id = ?, ended_at = ?"
                " WHERE id = ?",
                [state, detail, deployment, time.time(), identifier],
            )

    def close_open(self) -> None:
        """At start: those that an earlier daemon did not end."""
        with self._db.write() as tx:
            tx.conn.execute(
                "UPDATE comparisons SET state = ?, detail = 'the daemon ended', ended_at = ?"
                " WHERE state = ?",
                [FAILED, time.time(), RUNNING],
            )


def _comparison(row: Row) -> Comparison:
    return Comparison(
        id=row["id"],
        candidate=row["candidate"],
        live=row["live"],
        purpose=row["purpose"],
        state=row["state"],
        detail=row["detail"],
        forced=bool(row["forced"]),
        deployment=row["deployment_id"],
        author=row["author"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        report=json.loads(row["report"]),
    )
