"""Reading the small files of /sys, /proc and the device tree: None for whatever is not there."""

from __future__ import annotations

import os
from pathlib import Path

_MOST = 65_536


def read_text(path: Path) -> str | None:
    """The file's text without the white space around it and the device tree's NUL at its end.

    None when it is not there or cannot be read now: a sensor that is switched off answers EAGAIN,
    for which Python's own `read()` raises TypeError; hence `os.read` on a descriptor.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        data = os.read(descriptor, _MOST)
    except OSError:
        return None
    finally:
        os.close(descriptor)
    return data.decode(errors="replace").rstrip("\0").strip()


def read_int(path: Path) -> int | None:
    """The file's whole number; None when there is none."""
    text = read_text(path)
    try:
        return None if text is None else int(text)
    except ValueError:
        return None


def numbered(folder: Path, prefix: str) -> list[Path]:
    """The entries `prefix`0, `prefix`1, ... by number: hwmon10 comes behind hwmon2."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return []
    numbers = sorted(
        int(name[len(prefix) :])
        for name in names
        if name.startswith(prefix) and name[len(prefix) :].isdigit()
    )
    return [folder / f"{prefix}{number}" for number in numbers]
