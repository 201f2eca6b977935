"""The schema, as steps that are only ever appended. Each runs once, with its record, in one
transaction, so that a database is always at a whole step."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from sqlite_utils import Database as SqliteUtils

from appliance.errors import StoreError
from appliance.store.schema import M001
from appliance.store.schema_care import M010
from appliance.store.schema_engines import M005
from appliance.store.schema_gate import M004
from appliance.store.schema_listening import M003
from appliance.store.schema_microphones import M012
from appliance.store.schema_near import M008
from appliance.store.schema_pauses import M007
from appliance.store.schema_rejections import M009
from appliance.store.schema_speech import M011

log = logging.getLogger(__name__)

Migration = Callable[[SqliteUtils], None]


def m001_the_first_schema(db: SqliteUtils) -> None:
    for statement in M001:
        db.conn.execute(statement)


def m003_thresholds_that_keep_a_rate(db: SqliteUtils) -> None:
    for statement in M003:
        db.conn.execute(statement)


def m004_inbox_comparisons_shadow(db: SqliteUtils) -> None:
    for statement in M004:
        db.conn.execute(statement)


def m005_engines(db: SqliteUtils) -> None:
    for statement in M005:
        db.conn.execute(statement)


def m007_pauses(db: SqliteUtils) -> None:
    for statement in M007:
        db.conn.execute(statement)


def m009_rejections(db: SqliteUtils) -> None:
    for statement in M009:
        db.conn.execute(statement)


def m011_speech_dropped(db: SqliteUtils) -> None:
    for statement in M011:
        db.conn.execute(statement)


def m012_names_of_removed_microphones(db: SqliteUtils) -> None:
    for statement in M012:
        db.conn.execute(statement)


def m008_near_duplicates(db: SqliteUtils) -> None:
    for statement in M008:
        db.conn.execute(statement)


def m010_lost_sounds(db: SqliteUtils) -> None:
    for statement in M010:
        db.conn.execute(statement)


MIGRATIONS: tuple[Migration, ...] = (
    m001_the_first_schema,
    m003_thresholds_that_keep_a_rate,
    m004_inbox_comparisons_shadow,
    m005_engines,
    m007_pauses,
    m008_near_duplicates,
    m009_rejections,
    m010_lost_sounds,
    m011_speech_dropped,
    m012_names_of_removed_microphones,
)


def migrate(db: SqliteUtils) -> list[str]:
    """Bring the database to the newest step; returns the names of the steps that ran.

    Raises StoreError when the database was written by a newer Earmark.
    """
    db.conn.execute(
        "CREATE TABLE IF NOT EXISTS migrations (name TEXT PRIMARY KEY, applied_at REAL NOT NULL)"
    )
    db.conn.commit()
    done = {row[0] for row in db.conn.execute("SELECT name FROM migrations").fetchall()}
    known = {step.__name__ for step in MIGRATIONS}
    if foreign := sorted(done - known):
        raise StoreError(
            f"this database was written by a newer Earmark (step {foreign[-1]})",
            "install that version again, or restore a backup made before the upgrade",
        )
    ran = []
    for step in MIGRATIONS:
        if step.__name__ in done:
            continue
        db.conn.execute("BEGIN IMMEDIATE")
        try:
            step(db)
            db.conn.execute("INSERT INTO migrations VALUES (?, ?)", (step.__name__, time.time()))
            db.conn.execute("COMMIT")
        except BaseException:
            db.conn.execute("ROLLBACK")
            raise
        log.info("database migrated: %s", step.__name__)
        ran.append(step.__name__)
    return ran
