"""How a sound enters the library so that an acknowledged clip survives a power cut.

The order is everything: the FLAC file is whole under a temporary name; it is fsynced; it is
renamed to its hash; the folder is fsynced; then the row is committed (synchronous=FULL). A cut
between two steps leaves a temporary file or a file without a row, never a row without its file.
Each step is taken for the whole batch before the next one begins.

From the rename on, all of it happens inside the database's one write lock, which is therefore
also what keeps an arriving file and the removal of that same file (`removal.py`) apart.
"""

from __future__ import annotations

import json
import logging
import os
import stat
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlite_utils import Database as SqliteUtils

from appliance import clock
from appliance.audio.flac import Piece
from appliance.clock import Stamp
from appliance.errors import EarmarkError, InvalidInput, NotFound
from appliance.events import EventBus
from appliance.library import history
from appliance.library.clip import LONGEST_S, SELECT, SOURCES, TOLERANCE_S, Clip, from_row
from appliance.library.disk import check_room, disk_errors
from appliance.library.durable import make_durable
from appliance.library.labelling import Labelling
from appliance.library.labels import find_or_create
from appliance.library.loss import Losses
from appliance.library.names import has_control, label_name
from appliance.library.near_duplicates import NearDuplicates
from appliance.paths import DataFolder, fsync_folder
from appliance.store.database import Database

log = logging.getLogger(__name__)

LONGEST_EXTRA = 16_384


@dataclass(frozen=True)
class NewPiece:
    """A FLAC file in `clips/incoming` (whole, perhaps not yet durable), and what is known of it.

    `stamp` is the moment of its first sample; None means now, for sound of unknown age. A label
    that does not exist yet is created. `id`: the clip's, for one that is made again.
    """

    piece: Piece
    source: str
    session: int
    label: str | None = None
    microphone: str | None = None
    filename: str | None = None
    stamp: Stamp | None = None
    frame: int | None = None
    parent: int | None = None
    extra: Mapping[str, Any] | None = None
    author: str = ""
    id: int | None = None


@dataclass(frozen=True)
class Added:
    """What became of one piece. `refused_label`: the sound was known under another label, which
    it keeps; the one given now was *not* applied, and the person should hear of it."""

    clip: Clip
    new: bool
    refused_label: str | None = None


class Ingest:
    def __init__(
        self, db: Database, folder: DataFolder, bus: EventBus, near: NearDuplicates
    ) -> None:
        self._db = db
        self._folder = folder
        self._bus = bus
        self._near = near
        self._labelling = Labelling(db, bus)
        self._losses = Losses(db, bus)
        # Folders under clips/ whose own names are durable, as far as this process knows.
        self._durable: set[Path] = set()

    def add(self, pieces: Sequence[NewPiece]) -> list[Added]:
        """All or nothing: moved in, made durable, committed once; one result a piece, in order.
        The temporary files are gone afterwards, whatever happened.

        A sound that is known (the same samples) is not stored again; a label is applied to it
        only when it had none. Raises InvalidInput, NotFound (session), LowSpace, StoreError.
        """
        placed: list[str] = []
        try:
            for new in pieces:
                _check(new)
            check_room(self._folder)
            durable = make_durable([new.piece for new in pieces])
            pieces = [replace(new, piece=piece) for new, piece in zip(pieces, durable, strict=True)]
            with self._db.write() as tx:
                fresh = self._fresh(pieces)
                lost = self._lost(pieces)
                with disk_errors("storing the clip"):
                    self._place([new.piece for new in fresh.values()], placed)
                    self._place(lost.values(), [])
                stamp = clock.now()
                for new in fresh.values():
                    clip = self._insert(tx, new, new.stamp or stamp)
                    if new.piece.fingerprint is not None:
                        self._near.add(tx, clip, new.piece.fingerprint)
                for identifier in lost:
                    self._losses.found(identifier)
                results = [
                    self._result(new, fresh.get(new.piece.pcm_sha256) is new) for new in pieces
                ]
                if added := [result.clip.id for result in results if result.new]:
                    self._db.after_commit(
                        lambda: _tell(self._bus, {"action": "added", "clips": added})
                    )
            return results
        except BaseException:
            self._withdraw(placed)
            raise
        finally:
            for new in pieces:
                _remove(new.piece.path)

    def adopt(self, new: NewPiece) -> Clip | None:
        """A row for a file that lies among the clips already, whole, under its hash; None when its
        sound is known. The file stays, whatever happens."""
        _check(new)
        with self._db.write() as tx:
            sound = new.piece.pcm_sha256
            if self._db.row("SELECT 1 FROM clips WHERE pcm_sha256 = ?", (sound,)):
                return None
            self._insert(tx, new, new.stamp or clock.now())
            clip = self._by_sound(sound)
            told: dict[str, object] = {"action": "added", "clips": [clip.id]}
            self._db.after_commit(lambda: _tell(self._bus, told))
        return clip

    def _lost(self, pieces: Sequence[NewPiece]) -> dict[int, Piece]:
        """Those that bring back the file of a clip that had lost it, by the clip's id."""
        found: dict[int, Piece] = {}
        for new in pieces:
            row = self._db.row(
                "SELECT id FROM clips WHERE sha256 = ? AND missing_since IS NOT NULL",
                (new.piece.sha256,),
            )
            if row is not None:
                found.setdefault(row["id"], new.piece)
        return found

    def _fresh(self, pieces: Sequence[NewPiece]) -> dict[str, NewPiece]:
        """Those whose sound nobody has stored, by the sound's hash; the first of equal ones."""
        for session in {new.session for new in pieces}:
            if not self._db.row("SELECT 1 FROM sessions WHERE id = ?", (session,)):
                raise NotFound(f"there is no session {session}", "begin one first")
        fresh: dict[str, NewPiece] = {}
        for new in pieces:
            sound = new.piece.pcm_sha256
            if sound in fresh:
                continue
            if not self._db.row("SELECT 1 FROM clips WHERE pcm_sha256 = ?", (sound,)):
                fresh[sound] = new
        return fresh

    def _place(self, pieces: Iterable[Piece], placed: list[str]) -> None:
        folders: set[Path] = set()
        for piece in pieces:
            target = self._folder.clip(piece.sha256)
            # It may be there, made by a process that died before its fsync: so fsync in any case.
            target.parent.mkdir(exist_ok=True)
            piece.path.rename(target)
            placed.append(piece.sha256)
            folders.add(target.parent)
        for folder in sorted(folders):
            fsync_folder(folder)
        if not folders <= self._durable:
            fsync_folder(self._folder.clips)
            self._durable |= folders

    def _insert(self, tx: SqliteUtils, new: NewPiece, stamp: Stamp) -> int:
        piece = new.piece
        label = None if new.label is None else label_name(new.label)
        label_id = None if label is None else find_or_create(self._db, tx, self._bus, label)
        row = {
            "sha256": piece.sha256,
            "pcm_sha256": piece.pcm_sha256,
            "label_id": label_id,
            "session_id": new.session,
            "microphone": new.microphone,
            "source": new.source,
            "filename": _shown(new.filename),
            "start_s": piece.start_s,
            "duration_s": piece.duration_s,
            "sample_rate": piece.rate,
            "size": self._folder.clip(piece.sha256).stat().st_size,
            "peak_dbfs": piece.peak_dbfs,
            "rms_dbfs": piece.rms_dbfs,
            "frame": new.frame,
            "recorded_at": stamp.wall,
            "boot_id": stamp.boot_id,
            "monotonic_ns": stamp.monotonic_ns,
            "clock_synced": int(stamp.clock_synced),
            "created_at": time.time(),
            "parent_id": new.parent,
            "extra": json.dumps(dict(new.extra or {}), ensure_ascii=False),
        }
        if new.id is not None:
            row["id"] = new.id
        marks = ", ".join("?" * len(row))
        cursor = tx.conn.execute(
            f"INSERT INTO clips ({', '.join(row)}) VALUES ({marks})", list(row.values())
        )
        identifier = int(cursor.lastrowid or 0)
        if label is not None:
            history.note(tx, [identifier], new.author, None, label, new.source)
        return identifier

    def _result(self, new: NewPiece, fresh: bool) -> Added:
        clip = self._by_sound(new.piece.pcm_sha256)
        if fresh or new.label is None or clip.label == label_name(new.label):
            return Added(clip, fresh)
        if clip.label is not None:
            return Added(clip, False, refused_label=label_name(new.label))
        self._labelling.set([clip.id], new.label, new.author, create=True, why=new.source)
        return Added(self._by_sound(new.piece.pcm_sha256), False)

    def _by_sound(self, pcm_sha256: str) -> Clip:
        row = self._db.row(f"{SELECT} WHERE c.pcm_sha256 = ?", (pcm_sha256,))
        assert row is not None
        return from_row(row)

    def _withdraw(self, placed: Sequence[str]) -> None:
        """Remove the files that no row came to name: on a full disk they would stay for ever."""
        if not placed:
            return
        try:
            with self._db.write():
                for sha256 in placed:
                    if not self._db.row("SELECT 1 FROM clips WHERE sha256 = ?", (sha256,)):
                        _remove(self._folder.clip(sha256))
        except EarmarkError as error:
            log.warning("%d files stay in clips/ without a row: %s", len(placed), error)

    def sweep(self) -> int:
        """At the daemon's start: remove what an earlier process left in `clips/incoming`.

        Whatever is younger than this process is somebody's work in progress and stays. Files
        without a row among the clips are left alone: an orphan costs room, a mistake a sound.
        """
        now = time.time()
        started = now - _age_of_this_process()
        removed = 0
        for file in self._folder.incoming.iterdir():
            status = file.lstat()
            # From the future: the clock has gone back since (a box without a clock battery).
            if stat.S_ISREG(status.st_mode) and not started <= status.st_mtime <= now + 1:
                _remove(file)
                removed += 1
        if removed:
            log.info("removed %d temporary files that an earlier process left", removed)
        return removed


def _check(new: NewPiece) -> None:
    if new.source not in SOURCES:
        raise InvalidInput(f"{new.source!r} is no source of clips", f"one of {', '.join(SOURCES)}")
    if new.piece.duration_s > LONGEST_S + TOLERANCE_S:
        raise InvalidInput(
            f"a clip of {new.piece.duration_s:.1f} s is too long",
            f"cut it into pieces of at most {LONGEST_S:.0f} s",
        )
    if new.label is not None:
        label_name(new.label)
    try:
        extra = json.dumps(dict(new.extra or {}))
    except (TypeError, ValueError) as error:
        raise InvalidInput(
            f"further columns cannot be kept: {error}", "give text or numbers"
        ) from error
    if len(extra) > LONGEST_EXTRA:
        raise InvalidInput("further columns of a clip are too long", f"at most {LONGEST_EXTRA} B")


def _shown(filename: str | None) -> str | None:
    """A file's name for display: it is never used as a path, and cannot break a line."""
    if filename is None:
        return None
    if not has_control(filename):
        return filename[:1024]
    return "".join("\ufffd" if has_control(letter) else letter for letter in filename)[:1024]


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s stays behind: %s", file, error)


def _age_of_this_process() -> float:
    """Seconds since this process began, by a clock that does not jump."""
    text = Path("/proc/self/stat").read_text()
    ticks = int(text.rpartition(")")[2].split()[19])
    return clock.seconds() - ticks / os.sysconf("SC_CLK_TCK")


def _tell(bus: EventBus, data: dict[str, object]) -> None:
    bus.publish("clip", data)
