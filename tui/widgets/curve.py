"""A small line chart of Braille dots: two by four of them in each cell."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.widget import Widget

_DOTS = ((0x01, 0x08), (0x02, 0x10), (0x04, 0x20), (0x40, 0x80))


class Curve(Widget):
    """`show(values)`, oldest first; the newest value stands in the title, the range at the left."""

    DEFAULT_CSS = """
    Curve { height: 1fr; min-height: 3; width: 1fr; padding: 0 1; color: $primary; }
    """

    def __init__(self, title: str, form: str = "{:.3f}", **rest: str) -> None:
        """form: how a value is written."""
        super().__init__(**rest)  # type: ignore[arg-type]
        self._title, self._form = title, form
        self._values: list[float] = []

    def show(self, values: Sequence[float | None]) -> None:
        """Values that are not there or not finite are left out."""
        kept = [value for value in values if value is not None and math.isfinite(value)]
        if kept != self._values:
            self._values = kept
            self.refresh()

    def render(self) -> Content:
        width, height = self.content_size.width, self.content_size.height
        if not self._values:
            return Content.assemble((f"{self._title}: nothing yet", "$secondary"))
        low, high = min(self._values), max(self._values)
        write = self._form.format
        title = (f"{self._title} {write(self._values[-1])}", "bold $foreground")
        marks = [write(high), write(low)]
        margin = max(cell_len(mark) for mark in marks) + 1
        lines = braille(self._values, width - margin, height - 1)
        labels = [marks[0], *[""] * max(0, len(lines) - 2), *marks[1:]][: len(lines)]
        rows = [
            Content.assemble((f"{label:>{margin - 1}} ", "$secondary"), line)
            for label, line in zip(labels, lines, strict=True)
        ]
        return Content("\n").join([Content.assemble(title), *rows])


def braille(values: Sequence[float], width: int, height: int) -> list[str]:
    """`height` lines of `width` cells; values that fall into one dot's column are averaged."""
    if width < 1 or height < 1 or not values:
        return []
    columns = min(2 * width, max(2, len(values)))
    means = []
    for column in range(columns):
        begin = column * len(values) // columns
        part = values[begin : max((column + 1) * len(values) // columns, begin + 1)]
        means.append(sum(part) / len(part))
    low, high = min(means), max(means)
    span = (high - low) or 1.0
    cells = [[0] * width for _ in range(height)]
    before: int | None = None
    for column, value in enumerate(means):
        dot = round((high - value) / span * (4 * height - 1))
        # Joined, so that a steep curve is a line and not a cloud.
        begin, end = (dot, dot) if before is None else sorted((before, dot))
        for y in range(begin if dot == begin else begin + 1, end + 1):
            cells[y // 4][column // 2] |= _DOTS[y % 4][column % 2]
        cells[dot // 4][column // 2] |= _DOTS[dot % 4][column % 2]
        before = dot
    return ["".join(chr(0x2800 + cell) if cell else " " for cell in row) for row in cells]
