"""Room that is kept for the database on a disk that others fill to the last byte.

A file is allocated while there is room. When a write is about to begin on a full disk, a part of
the file is given back first, so that labels, the states of jobs and the checkpoint of the
write-ahead log go on; part by part, since whoever filled the disk may take what becomes free.
What is given back is not for sounds: `missing` counts as not free. It is allocated again when
there is room.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger(__name__)

STEP = 4 << 20
LEAST = 2 << 20
"""Bytes free under which a write gives a part of the reserve back first: a transaction's pages."""


class Reserve:
    """`size`: bytes that are wanted; 0, as it begins, for none. What is allocated is read from
    the file itself, so that several may look at one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.size = 0

    def want(self, size: int) -> None:
        """Of a small disk a hundredth is kept at most."""
        disk = os.statvfs(self.path.parent)
        self.size = min(size, disk.f_blocks * disk.f_frsize // 100)

    def held(self) -> int:
        """Bytes that are allocated now."""
        try:
            return os.stat(self.path).st_size  # noqa: PTH116 (asked before each write)
        except OSError:
            return 0

    def missing(self) -> int:
        """Bytes that were given back, or could not be allocated yet."""
        return max(0, self.size - self.held()) if self.size else 0

    def give(self) -> None:
        """Before a write: give back a part when there is nearly nothing free. Never raises."""
        if not self.size or _free(self.path.parent) >= LEAST:
            return
        try:
            held = self.held()
            while held and _free(self.path.parent) < LEAST:
                held = max(0, held - STEP)
                os.truncate(self.path, held)
                log.warning(
                    "the disk is full: %d MB of the reserve are left for the database",
                    held // 1_000_000,
                )
        except OSError as error:
            log.warning("the reserve cannot be given back: %s", error)

    def make(self, keep_free: float) -> None:
        """Allocate what is missing, if `keep_free` bytes stay free; one that is larger than
        wanted shrinks. Never raises: a disk without room is what this is for."""
        held = self.held()
        if held == self.size:
            return
        try:
            if held > self.size:
                os.truncate(self.path, self.size)
                if not self.size:
                    self.path.unlink()
            elif _free(self.path.parent) >= self.size - held + keep_free:
                self._allocate(held)
                log.info("%d MB are kept for the database", self.size // 1_000_000)
        except OSError as error:
            log.warning("no room can be kept for the database: %s", error)

    def _allocate(self, held: int) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
        descriptor = os.open(self.path, flags, 0o600)
        try:
            try:
                os.posix_fallocate(descriptor, held, self.size - held)
            except OSError:
                os.ftruncate(descriptor, held)
                raise
        finally:
            os.close(descriptor)


def _free(folder: Path) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize
