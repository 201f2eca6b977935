"""Room on the disk for what is coming."""

from __future__ import annotations

import shutil

from appliance.errors import LowSpace
from appliance.paths import DataFolder

RESERVE = 8_000_000
"""Bytes that an upload must leave free on the disk, for the database and what is recorded now."""


def check_space(folder: DataFolder, size: int) -> None:
    """Raises LowSpace when `size` more bytes would eat into what is kept for the database."""
    if shutil.disk_usage(folder.incoming).free < size + RESERVE + folder.reserve.missing():
        raise no_space()


def no_space() -> LowSpace:
    return LowSpace(
        "the disk has no room for this upload", "free some space on the disk of the data folder"
    )
