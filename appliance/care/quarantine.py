"""Quarantine: what is damaged, or belongs to nothing, is set aside with a note instead of deleted.

    quarantine/000017/manifest.json     what, when, why, and where each file lay
    quarantine/000017/<file>            the files, under their own names

The note is durable before a file moves, so whatever lies in there can be told and put back.
"""

from __future__ import annotations

import json
import logging
import shutil
import threading
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance.errors import Conflict, NotFound
from appliance.library.disk import disk_errors
from appliance.paths import DataFolder, fsync_folder, write_durably

log = logging.getLogger(__name__)

MANIFEST = "manifest.json"
DATABASE = "database"
"""A database, with its side files: damaged, or set aside for a restored one."""
ORPHAN = "orphan"
"""A whole sound that no row names."""
CORRUPT = "corrupt clip"
"""A file that is not the sound that its name says."""
VERSION = "version"
"""The folder of a version whose name a restored backup needed."""
OTHER = "other"
"""Set aside by another part, without a note that can be read."""


@dataclass(frozen=True)
class Item:
    """`files`: their names, each beside where it lay, relative to the data folder; `clip`: the
    clip whose sound it was, if a row named it; `bytes`: of all files; `at`: epoch seconds."""

    id: str
    kind: str
    why: str
    at: float
    clip: int | None
    bytes: int
    files: dict[str, str]


class Quarantine:
    """Thread-safe within a process; the daemon's lock keeps others away."""

    def __init__(self, folder: DataFolder) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._last = 0

    def put(self, kind: str, why: str, files: Sequence[Path], clip: int | None = None) -> Item:
        """Move `files`, all within the data folder, aside. Raises LowSpace, StoreError."""
        root = self._folder.root
        with self._lock, disk_errors("setting files aside"):
            self._folder.quarantine.mkdir(mode=0o700, exist_ok=True)
            size = sum(_size(file) for file in files)
            named = {file.name: str(file.relative_to(root)) for file in files}
            item = Item(self._next(), kind, why, time.time(), clip, size, named)
            place = self._folder.quarantine / item.id
            place.mkdir(mode=0o700)
            write_durably(place / MANIFEST, json.dumps(asdict(item), indent=1).encode())
            fsync_folder(self._folder.quarantine)
            for file in files:
                file.rename(place / file.name)
            fsync_folder(place)
            for parent in {file.parent for file in files}:
                fsync_folder(parent)
        log.warning("set aside in quarantine/%s: %s: %s", item.id, ", ".join(named), why)
        return item

    def all(self) -> list[Item]:
        """What lies there, the newest first. A note whose files never came is left out."""
        if not self._folder.quarantine.is_dir():
            return []
        places = sorted(self._folder.quarantine.iterdir(), key=lambda place: place.name)
        found = [self._read(place) for place in places]
        return [item for item in reversed(found) if item is not None]

    def get(self, identifier: str) -> Item:
        """NotFound."""
        found = next((item for item in self.all() if item.id == identifier), None)
        if found is None:
            raise NotFound(
                f"there is nothing in quarantine under {identifier[:80]!r}",
                "`earmark quarantine` lists what there is",
            )
        return found

    def path(self, item: Item, name: str) -> Path:
        """Where one of its files lies now."""
        return self._folder.quarantine / item.id / name

    def put_back(self, item: Item) -> list[Path]:
        """Move its files back to where they lay. Conflict when a place is taken, or unknown."""
        if item.kind == OTHER:
            raise Conflict(
                f"nobody wrote down where {item.id} belongs", "move it by hand, with the daemon off"
            )
        moves = {
            self.path(item, name): self._folder.root / place for name, place in item.files.items()
        }
        with self._lock, disk_errors("putting files back"):
            if taken := [place for place in moves.values() if place.exists()]:
                raise Conflict(f"{taken[0].name} is there again already", "compare the two by hand")
            for source, place in moves.items():
                place.parent.mkdir(parents=True, exist_ok=True)
                source.rename(place)
                fsync_folder(place.parent)
            self._forget(item)
        return list(moves.values())

    def delete(self, item: Item) -> None:
        """For good."""
        with self._lock, disk_errors("deleting from quarantine"):
            self._forget(item)
        log.warning("deleted from quarantine: %s (%s)", item.id, item.kind)

    def _forget(self, item: Item) -> None:
        place = self._folder.quarantine / item.id
        if place.is_dir():
            shutil.rmtree(place)
        else:
            place.unlink(missing_ok=True)
        fsync_folder(self._folder.quarantine)

    def _next(self) -> str:
        # Numbered, since a box without a clock battery may be in 1970 now. Listed once: a run may
        # set thousands aside.
        if not self._last:
            names = [place.name for place in self._folder.quarantine.iterdir()]
            self._last = max((int(name) for name in names if name.isdecimal()), default=0)
        self._last += 1
        return f"{self._last:06}"

    def _read(self, place: Path) -> Item | None:
        try:
            item = Item(**json.loads((place / MANIFEST).read_text()))
        except (OSError, ValueError, TypeError):
            return self._unknown(place)
        there = {name: was for name, was in item.files.items() if (place / name).exists()}
        return Item(**{**asdict(item), "id": place.name, "files": there}) if there else None

    @staticmethod
    def _unknown(place: Path) -> Item | None:
        files = [file for file in place.rglob("*") if file.is_file()] if place.is_dir() else [place]
        try:
            size, at = sum(file.stat().st_size for file in files), place.stat().st_mtime
        except OSError:
            return None  # it has just gone
        names = {str(file.relative_to(place.parent)): "" for file in files}
        return Item(place.name, OTHER, "set aside without a note", at, None, size, names)


def _size(path: Path) -> int:
    inside = [path, *path.rglob("*")] if path.is_dir() else [path]
    return sum(file.stat().st_size for file in inside if file.is_file())
