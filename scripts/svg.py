"""Charts as SVG, for the pictures of the documentation: lines, bars, bands and words."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path

WIDTH, HEIGHT = 760, 260
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 34, 40
INK, FAINT = "#24292f", "#d0d7de"
COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#9a6700", "#8250df")


@dataclass
class Chart:
    """Coordinates are those of the data; `x` and `y` are (lowest, highest) of the axes."""

    title: str
    x: tuple[float, float]
    y: tuple[float, float]
    x_label: str = ""
    y_label: str = ""
    parts: list[str] = field(default_factory=list)

    def _x(self, value: float) -> float:
        low, high = self.x
        share = (min(max(value, low), high) - low) / (high - low)
        return round(LEFT + share * (WIDTH - LEFT - RIGHT), 1)

    def _y(self, value: float) -> float:
        low, high = self.y
        share = (min(max(value, low), high) - low) / (high - low)
        return round(HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM), 1)

    def line(
        self, xs: Sequence[float], ys: Sequence[float], colour: str, *, wide: float = 1.8,
        dashes: str = "",
    ) -> None:  # fmt: skip
        points = " ".join(f"{self._x(a)},{self._y(b)}" for a, b in zip(xs, ys, strict=True))
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" '
            f'stroke-width="{wide}"{dashed}/>'
        )

    def band(self, start: float, end: float, colour: str, words: str = "") -> None:
        """A stretch of the x axis, over the whole height."""
        left, right = self._x(start), self._x(end)
        self.parts.append(
            f'<rect x="{left}" y="{TOP}" width="{max(right - left, 1)}" '
            f'height="{HEIGHT - TOP - BOTTOM}" fill="{colour}" fill-opacity="0.14"/>'
        )
        if words:
            self.words(start, self.y[1], words, colour, down=12)

    def bar(self, start: float, end: float, value: float, colour: str) -> None:
        left, right, top = self._x(start), self._x(end), self._y(value)
        self.parts.append(
            f'<rect x="{left}" y="{top}" width="{max(right - left - 0.5, 0.5)}" '
            f'height="{HEIGHT - BOTTOM - top}" fill="{colour}" fill-opacity="0.55"/>'
        )

    def words(
        self,
        x: float,
        y: float,
        text: str,
        colour: str = INK,
        *,
        down: float = -4,
        along: float = 3,
    ) -> None:
        self.parts.append(
            f'<text x="{self._x(x) + along}" y="{self._y(y) + down}" fill="{colour}">'
            f"{escape(text)}</text>"
        )

    def dot(self, x: float, y: float, colour: str) -> None:
        self.parts.append(f'<circle cx="{self._x(x)}" cy="{self._y(y)}" r="4.5" fill="{colour}"/>')

    def write(
        self,
        file: Path,
        x_ticks: Sequence[float],
        y_ticks: Sequence[float],
        shown: Callable[[float], str] = lambda value: f"{value:g}",
    ) -> None:
        frame = []
        for tick in y_ticks:
            at = self._y(tick)
            frame.append(
                f'<line x1="{LEFT}" y1="{at}" x2="{WIDTH - RIGHT}" y2="{at}" stroke="{FAINT}"/>'
                f'<text x="{LEFT - 6}" y="{at + 4}" text-anchor="end">{tick:g}</text>'
            )
        for tick in x_ticks:
            frame.append(
                f'<text x="{self._x(tick)}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">'
                f"{escape(shown(tick))}</text>"
            )
        file.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'font-family="sans-serif" font-size="11" fill="{INK}">\n'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>\n'
            f'<text x="{LEFT}" y="18" font-size="13" font-weight="bold">{escape(self.title)}</text>'
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 6}" text-anchor="end">{escape(self.x_label)}'
            f"</text>"
            f'<text x="{WIDTH - RIGHT}" y="18" text-anchor="end">{escape(self.y_label)}</text>\n'
            + "\n".join([*frame, *self.parts])
            + "\n</svg>\n",
            encoding="utf-8",
        )
