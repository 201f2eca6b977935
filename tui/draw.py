"""What is drawn with characters: bars, levels, cells of fixed width, and the colours of loudness.

Each is the same with and without colour: length and words say it, colour repeats it.
"""

from __future__ import annotations

from functools import lru_cache

from rich.cells import cell_len, set_cell_size
from textual.color import Color
from textual.content import Content

from appliance.text import safe

LOWEST_DBFS = -60.0
"""Where a level's bar is empty."""
_EIGHTHS = " ▏▎▍▌▋▊▉█"
SHADES = 16
# Even steps in lightness, so that they read in grey too; the light theme runs from paper to ink.
_DARK = ("#121212", "#3b0f70", "#8c2981", "#de4968", "#fe9f6d", "#fcfdbf")
_LIGHT = ("#f5f5f0", "#fed9a6", "#fd8d3c", "#c51b5c", "#6a1a8a", "#140b35")


def fit(text: object, width: int, *, right: bool = False) -> str:
    """`text` in exactly `width` cells: padded, or cut with an ellipsis. Wide letters count two;
    control characters are shown, not obeyed."""
    shown = safe(text)
    missing = width - cell_len(shown)
    if missing >= 0:
        return " " * missing + shown if right else shown + " " * missing
    return set_cell_size(shown, max(0, width - 1)) + "…" * (width > 0)


def bar(share: float, width: int) -> str:
    """A bar of `width` cells for a share of 0 to 1, in steps of an eighth of a cell."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    full, rest = divmod(eighths, 8)
    return ("█" * full + (_EIGHTHS[rest] if rest else "")).ljust(width)


def level(level_dbfs: float, peak_dbfs: float, width: int) -> Content:
    """A level's bar from -60 to 0 dBFS with a mark at the peak; a `!` at its end is clipping."""
    steps = round(min(max(1 - level_dbfs / LOWEST_DBFS, 0.0), 1.0) * (width - 1))
    peak = round(min(max(1 - peak_dbfs / LOWEST_DBFS, 0.0), 1.0) * (width - 1))
    clipped = peak_dbfs > -0.3
    text = "".join(
        "█" if place < steps else "▏" if place == peak and peak > steps else "·"
        for place in range(width - 1)
    )
    colour = "$error" if clipped else "$warning" if level_dbfs > -6 else "$success"
    return Content.assemble((text, colour), ("!" if clipped else " ", "bold $error"))


@lru_cache(maxsize=2)
def palette(dark: bool) -> tuple[Color, ...]:
    """SHADES colours from quiet to loud: few, so that neighbours are often the same on the wire."""
    stops = [Color.parse(text) for text in (_DARK if dark else _LIGHT)]
    made = []
    for step in range(SHADES):
        place = step / (SHADES - 1) * (len(stops) - 1)
        index = min(int(place), len(stops) - 2)
        made.append(stops[index].blend(stops[index + 1], place - index))
    return tuple(made)
