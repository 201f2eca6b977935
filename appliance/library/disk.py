"""What the disk says when it refuses, in the words of `errors`."""

from __future__ import annotations

import errno
from collections.abc import Generator
from contextlib import contextmanager

from appliance.errors import LowSpace, StoreError

_FULL = (errno.ENOSPC, errno.EDQUOT)


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
