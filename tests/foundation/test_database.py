"""The database: one writer, readers that cannot write, transactions that are whole."""

from __future__ import annotations

import sqlite3
import threading
from pathlib import Path

import pytest

from appliance.errors import StoreError
from appliance.store.database import Database


def label(db: Database, name: str) -> None:
    with db.write() as writer:
        writer["labels"].insert({"name": name, "created_at": 0})


def names(db: Database) -> list[str]:
    return [row["name"] for row in db.rows("SELECT name FROM labels ORDER BY id")]


def test_an_inner_write_joins_the_outer_and_falls_with_it(db: Database) -> None:
    def both() -> None:
        with db.write() as writer:
            writer["labels"].insert({"name": "outer", "created_at": 0})
            label(db, "inner")
            assert names(db) == ["outer", "inner"]
            raise RuntimeError("undo")

    with pytest.raises(RuntimeError):
        both()
    assert names(db) == []
    label(db, "after")
    assert names(db) == ["after"]


def test_other_threads_do_not_see_what_is_not_committed(db: Database) -> None:
    seen: list[list[str]] = []
    with db.write() as writer:
        writer["labels"].insert({"name": "secret", "created_at": 0})
        thread = threading.Thread(target=lambda: seen.append(names(db)))
        thread.start()
        thread.join(10)
    assert seen == [[]]


def test_a_reader_cannot_write(db: Database) -> None:
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        db.read().conn.execute("INSERT INTO labels (name, created_at) VALUES ('x', 0)")


def test_many_threads_write_without_a_lock_error(db: Database) -> None:
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for step in range(20):
                label(db, f"{number}-{step}")
                names(db)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert errors == []
    assert len(names(db)) == 120


def test_durability_is_full_on_the_writer(db: Database) -> None:
    with db.write() as writer:
        assert writer.conn.execute("PRAGMA synchronous").fetchone()[0] == 2
        assert writer.conn.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert writer.conn.execute("PRAGMA foreign_keys").fetchone()[0] == 1


def test_a_database_from_the_future_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "earmark.db"
    Database(path).close()
    connection = sqlite3.connect(path)
    connection.execute("INSERT INTO migrations VALUES ('m999_tomorrow', 0)")
    connection.commit()
    connection.close()
    with pytest.raises(StoreError, match="newer Earmark"):
        Database(path)


def test_a_file_that_is_no_database_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "earmark.db"
    path.write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError) as caught:
        Database(path)
    assert "backup" in caught.value.advice


def test_the_slot_holds_one_job(db: Database) -> None:
    """Promise 2, where it is kept: in the schema."""
    with db.write() as writer:
        writer["dataset_versions"].insert(
            {"name": "d", "created_at": 0, "author": "", "clips": 0, "classes": "{}"}
            | {"protocol": "holdout", "folds": 1, "sha256": ""}
        )

    def job(state: str) -> None:
        with db.write() as writer:
            writer["jobs"].insert(
                {"state": state, "flavor": "free", "max_minutes": 60, "limit_s": 3600}
                | {"dataset_version": "d", "author": "", "submitted_at": 0}
            )

    job("queued")
    job("queued")
    job("paused")
    for second in ("starting", "running", "paused"):
        with pytest.raises(sqlite3.IntegrityError):
            job(second)
    job("completed")


def test_a_dataset_version_never_changes(db: Database) -> None:
    with db.write() as writer:
        writer["dataset_versions"].insert(
            {"name": "d", "created_at": 0, "author": "", "clips": 0, "classes": "{}"}
            | {"protocol": "holdout", "folds": 1, "sha256": ""}
        )
    with pytest.raises(sqlite3.IntegrityError, match="never changes"), db.write() as writer:
        writer.conn.execute("UPDATE dataset_versions SET clips = 5")
