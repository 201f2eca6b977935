"""Check: is there room for sounds, and may the daemon write them?"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from appliance.care.check import Check
from appliance.care.space import FULL, OK, SpaceState
from appliance.units import human_size

NAME = "disk"


def check(folder: Path, look: Callable[[], SpaceState]) -> Check:
    """Of the disk that holds `folder`; `look` is what the judge of its space says of it."""
    try:
        disk, space = os.statvfs(folder), look()
    except OSError as error:
        return Check(
            NAME,
            "failing",
            f"{folder} cannot be looked at: {error.strerror}.",
            "is its disk mounted? name the folder with --data",
        )
    room = f"{human_size(space.free)} of {human_size(space.total)} are free"
    if disk.f_flag & os.ST_RDONLY:
        return Check(
            NAME,
            "failing",
            "The disk is mounted read-only.",
            "see `dmesg`: a failing disk is remounted so; copy the data folder elsewhere first",
        )
    if space.level == FULL:
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
    if space.level != OK:
        return Check(
            NAME,
            "warning",
            f"{room}, which is {space.level}: not kept now: {', '.join(space.shed)}.",
            "see what could go (`earmark retention --dry-run`), delete clips (`earmark clips"
            " delete`), or free some space elsewhere",
        )
    return Check(NAME, "ok", f"{room}.")
