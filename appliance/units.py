"""Conversions between the units that people read and those that programs use."""

from __future__ import annotations

import math

SILENCE_DBFS = -120.0


def dbfs(amplitude: float) -> float:
    """Amplitude relative to full scale (0..1) in dBFS; digital silence gives -120."""
    return max(SILENCE_DBFS, 20.0 * math.log10(amplitude)) if amplitude > 0 else SILENCE_DBFS


def amplitude(level_dbfs: float) -> float:
    """The inverse of `dbfs`."""
    return float(10.0 ** (level_dbfs / 20.0))


def human_duration(seconds: float) -> str:
    """`75` -> `1 min 15 s`; the largest two units, for people."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, rest = divmod(whole, 60)
    if minutes < 60:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def human_size(size: float) -> str:
    """Bytes with a decimal prefix: `1530000` -> `1.5 MB`."""
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000:
            return f"{size:.0f} {unit}" if unit == "B" else f"{size:.1f} {unit}"
        size /= 1000
    return f"{size:.1f} TB"
