"""A spectrogram that draws one column at a time.

Scrolling would send the whole picture with each column: 33 kB. Here time stands still and the new
column sweeps over the old ones, as on a radar: what changes in one column goes over the wire.
"""

from __future__ import annotations

from collections import deque

from rich.segment import Segment
from rich.style import Style as RichStyle
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from tui.draw import SHADES, palette

RANGE_STEPS = 100
"""50 dB from the darkest to the brightest, in the half decibels that columns are given in."""
_FLOOR_SPEED = 0.05


class Sweep(Widget):
    """`add(column)` draws the next column: bytes of 0 to 200, the lowest pitch first. Two bands
    share a cell, as its upper and lower half. Left of ▲ is the newest sound, right of it the
    oldest."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    Sweep { height: 1fr; min-height: 3; }
    """

    def __init__(self, words: str = "", **rest: str) -> None:
        """words: what stands here while there is no sound."""
        super().__init__(**rest)  # type: ignore[arg-type]
        self._words = words
        self._columns: dict[int, list[int]] = {}
        self._given: deque[bytes] = deque(maxlen=400)
        self._at = 0
        self._floor: float | None = None

    def clear(self, words: str = "") -> None:
        """Begin anew: another microphone."""
        self._words = words
        self._columns.clear()
        self._given.clear()
        self._at, self._floor = 0, None
        self.refresh()

    def add(self, column: bytes) -> None:
        """The next column, and the gap before the oldest moves on."""
        width = self.size.width
        self._given.append(column)
        if not width or not column:
            return
        if not self._columns:
            self._put(column, width)
            self.refresh()
            return
        at = self._at
        old = self._columns.get(at)
        self._put(column, width)
        new = self._columns[at]
        for y in range(self._picture_lines):
            # Silence over silence costs nothing.
            if old is None or old[2 * y : 2 * y + 2] != new[2 * y : 2 * y + 2]:
                self.refresh(Region(at, y, 1, 1))
        last = self.size.height - 1
        self.refresh(Region(at, last, 1, 1), Region(self._at, last, 1, 1))

    @property
    def _picture_lines(self) -> int:
        """The last line holds the cursor."""
        return max(1, self.size.height - 1)

    def _put(self, column: bytes, width: int) -> None:
        self._columns[self._at] = self._shades(column)
        self._at = (self._at + 1) % width

    def _shades(self, column: bytes) -> list[int]:
        """A shade for each half cell, the highest pitch first. The background is dark: its level
        is learned slowly."""
        bands = 2 * self._picture_lines
        count = len(column)
        values = [
            max(column[b * count // bands : max((b + 1) * count // bands, b * count // bands + 1)])
            for b in range(bands)
        ]
        quiet = sorted(values)[len(values) // 3]
        self._floor = (
            float(quiet)
            if self._floor is None
            else self._floor + _FLOOR_SPEED * (quiet - self._floor)
        )
        top = SHADES - 1
        return [
            max(0, min(top, round((value - self._floor) / RANGE_STEPS * top)))
            for value in reversed(values)
        ]

    def on_resize(self) -> None:
        """Another size: the columns that are known are drawn anew, from the left."""
        width = self.size.width
        self._columns.clear()
        self._at = 0
        for column in list(self._given)[-(width - 1) :] if width > 1 else []:
            if column:
                self._put(column, width)

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        if not self._columns:
            text = self._words if y == self.size.height // 2 else ""
            return Strip([Segment(f" {text}"[:width].ljust(width), base)], width)
        if y >= self._picture_lines:
            before = " " * min(self._at, width - 1)
            return Strip([Segment(f"{before}▲".ljust(width), base)], width)
        colours = palette(self.app.current_theme.dark)
        segments = []
        for x in range(width):
            shades = self._columns.get(x)
            if shades is None or 2 * y + 1 >= len(shades):
                segments.append(Segment(" ", base))
                continue
            upper, lower = colours[shades[2 * y]], colours[shades[2 * y + 1]]
            if upper == lower:
                segments.append(Segment(" ", RichStyle(bgcolor=lower.rich_color)))
            else:
                style = RichStyle(color=upper.rich_color, bgcolor=lower.rich_color)
                segments.append(Segment("▀", style))
        return Strip(segments, width)
