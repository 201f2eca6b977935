"""Opening the database, and the two ways to use it: `read()` and `write()`.

SQLite before 3.51.3 can corrupt a WAL when two connections write or checkpoint at once, and the
systems that we run on carry older ones. So exactly one connection writes and checkpoints, behind
a lock; readers have a connection a thread, which is query-only and never checkpoints.
Writes are durable when `write()` returns: WAL with synchronous=FULL.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlite_utils import Database as SqliteUtils

from appliance.errors import LowSpace, StoreError
from appliance.store.migrations import migrate

log = logging.getLogger(__name__)

Row = dict[str, Any]


class Database:
    """The box's database. Thread-safe; one per process, and only the daemon opens it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._local = threading.local()
        # Apart from the writer's lock: a new reader must not wait for a running transaction.
        self._readers_lock = threading.Lock()
        self._readers: list[tuple[threading.Thread, sqlite3.Connection]] = []
        self._depth = 0
        self._after: list[Callable[[], None]] = []
        self.make_room: Callable[[], None] = lambda: None
        """Called before each transaction, for a disk that may be full."""
        try:
            self._writer = self._open(path)
            migrate(self._writer)
        except sqlite3.DatabaseError as error:
            raise StoreError(
                f"the database {path} cannot be opened: {error}",
                "start the daemon again: it looks at the file, and takes the newest backup instead",
            ) from error

    @staticmethod
    def _open(path: Path, *, query_only: bool = False) -> SqliteUtils:
        connection = sqlite3.connect(path, timeout=30.0, check_same_thread=False)
        for pragma in (
            "busy_timeout=30000",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "mmap_size=0",
            # A reader that checkpointed would be a second writer of the database file.
            f"wal_autocheckpoint={0 if query_only else 1000}",
            "journal_size_limit=16777216",
            f"query_only={'ON' if query_only else 'OFF'}",
        ):
            connection.execute(f"PRAGMA {pragma}")
        return SqliteUtils(connection, execute_plugins=False)

    @contextmanager
    def write(self) -> Generator[SqliteUtils, None, None]:
        """One transaction (BEGIN IMMEDIATE), committed when the block ends, undone if it raises.

        Re-entrant: a `write()` inside a `write()` of the same thread joins it, so that a job and
        its dataset version can be committed together by code that lives in two packages.
        """
        with self._lock:
            if self._depth:
                self._depth += 1
                try:
                    yield self._writer
                finally:
                    self._depth -= 1
                return
            self.make_room()
            try:
                self._writer.conn.execute("BEGIN IMMEDIATE")
            except sqlite3.OperationalError as error:
                raise _translated(error) from error
            self._depth = 1
            committed = False
            try:
                yield self._writer
                self._writer.conn.execute("COMMIT")
                committed = True
            except BaseException as error:
                # After some errors (disk full) SQLite has rolled back by itself.
                if self._writer.conn.in_transaction:
                    self._writer.conn.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise _translated(error) from error
                raise
            finally:
                self._depth = 0
                after, self._after = self._after, []
                if not committed:
                    after = []
        # Outside the lock: what is called may write again, or tell a slow listener.
        for call in after:
            call()

    def after_commit(self, call: Callable[[], None]) -> None:
        """Inside `write()`: call this once the outermost transaction is durable, on this thread;
        never if it is undone. So nobody hears of a change, and no file goes, before it is true."""
        if not self._depth:
            raise RuntimeError("after_commit belongs inside write()")
        self._after.append(call)

    def read(self) -> SqliteUtils:
        """This thread's own query-only connection. Inside `write()`, the writer, so that a
        transaction sees what it has just written."""
        if self._depth and self._lock.acquire(blocking=False):
            try:
                if self._depth:
                    return self._writer
            finally:
                self._lock.release()
        reader: SqliteUtils | None = getattr(self._local, "reader", None)
        if reader is None:
            reader = self._open(self.path, query_only=True)
            self._local.reader = reader
            with self._readers_lock:
                self._close_readers_of_dead_threads()
                self._readers.append((threading.current_thread(), reader.conn))
        return reader

    def rows(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> list[Row]:
        """All rows of a SELECT as dicts. Read whole, so that no snapshot is held open."""
        cursor = self.read().conn.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, values, strict=False)) for values in cursor.fetchall()]

    def row(self, sql: str, parameters: Sequence[Any] | Mapping[str, Any] = ()) -> Row | None:
        """The first row of a SELECT, or None."""
        found = self.rows(sql, parameters)
        return found[0] if found else None

    def reserve_ids(self, table: str, largest: int) -> None:
        """New rows of `table` get ids beyond `largest`: those up to it were given out once."""
        with self.write() as tx:
            known = tx.conn.execute(
                "SELECT seq FROM sqlite_sequence WHERE name = ?", (table,)
            ).fetchone()
            if known is None:
                tx.conn.execute("INSERT INTO sqlite_sequence VALUES (?, ?)", (table, largest))
            elif known[0] < largest:
                tx.conn.execute(
                    "UPDATE sqlite_sequence SET seq = ? WHERE name = ?", (largest, table)
                )

    def _close_readers_of_dead_threads(self) -> None:
        alive = []
        for thread, connection in self._readers:
            if thread.is_alive():
                alive.append((thread, connection))
            else:
                connection.close()
        self._readers = alive

    def close(self) -> None:
        """Close every connection; the writer last, which checkpoints the WAL."""
        with self._lock, self._readers_lock:
            self.make_room()
            for _, connection in self._readers:
                connection.close()
            self._readers.clear()
            self._writer.conn.close()


def _translated(error: sqlite3.OperationalError) -> Exception:
    text = str(error)
    if "full" in text:
        return LowSpace(
            "the disk is full: nothing was written",
            "free some space; what was acknowledged is safe",
        )
    return StoreError(f"the database refused: {text}", "see the daemon's log")
