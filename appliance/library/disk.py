"""What the disk says when it refuses, in the words of `errors`."""

from __future__ import annotations

import errno
import os
from collections.abc import Generator
from contextlib import contextmanager

from appliance.errors import LowSpace, StoreError
from appliance.paths import DataFolder
from appliance.units import human_size

_FULL = (errno.ENOSPC, errno.EDQUOT)

# New sounds stop here, so that the database can still write: deleting is a write too, and on a
# disk without any room nobody could make some. It is what the write-ahead log may grow to.
RESERVE_BYTES = 16 << 20


@contextmanager
def disk_errors(what: str) -> Generator[None, None, None]:
    """OSError becomes LowSpace when the disk is full, StoreError otherwise; `what` was tried."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise LowSpace(
                f"the disk is full: {what} was not done",
                "free some space; what was acknowledged is safe",
            ) from error
        raise StoreError(
            f"the disk refused: {what} was not done ({error.strerror})",
            "see the daemon's log, and whether the disk is failing (`dmesg`)",
        ) from error


def check_room(folder: DataFolder, coming: int = 0) -> None:
    """LowSpace when the disk has come down to what is kept for the database, the part of the
    reserve included that was given back for it, or would with `coming` more bytes."""
    disk = os.statvfs(folder.clips)
    left = disk.f_bavail * disk.f_frsize
    if left < RESERVE_BYTES + folder.reserve.missing() + coming:
        kept = f"{human_size(left)} are left, and {human_size(RESERVE_BYTES)} are kept for the"
        raise LowSpace(
            f"the disk is full: {kept} database",
            "delete clips or free some space elsewhere; what was acknowledged is safe",
        )
