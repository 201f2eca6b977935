"""Check: is there room for sounds, and may the daemon write them?"""

from __future__ import annotations

import os
from pathlib import Path

from appliance.care.check import Check
from appliance.library.disk import RESERVE_BYTES
from appliance.units import human_size

NAME = "disk"


def check(folder: Path, low_bytes: int) -> Check:
    """Of the disk that holds `folder`; `low_bytes` or less is low."""
    try:
        disk = os.statvfs(folder)
    except OSError as error:
        return Check(
            NAME,
            "failing",
            f"{folder} cannot be looked at: {error.strerror}.",
            "is its disk mounted? name the folder with --data",
        )
    free, total = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    room = f"{human_size(free)} of {human_size(total)} are free"
    if disk.f_flag & os.ST_RDONLY:
        return Check(
            NAME,
            "failing",
            "The disk is mounted read-only.",
            "see `dmesg`: a failing disk is remounted so; copy the data folder elsewhere first",
        )
    if free < RESERVE_BYTES:
        return Check(
            NAME,
            "failing",
            f"{room}: new sounds are refused.",
            "delete clips (`earmark clips delete`) or free some space elsewhere",
        )
    if disk.f_files and disk.f_favail < 1000:
        return Check(
            NAME,
            "failing",
            f"The disk has room for {disk.f_favail} more files only.",
            "delete files elsewhere on it; clips are a file each",
        )
    if free < low_bytes:
        return Check(
            NAME,
            "warning",
            f"{room}.",
            "delete clips (`earmark clips delete`), or keep less history (history.hours)",
        )
    return Check(NAME, "ok", f"{room}.")
