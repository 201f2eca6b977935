"""How the demo talks: headings, lines, tables and one moving line, plain where there is no
terminal."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

PLAIN_WIDTH = 100
PLAIN_EVERY_S = 10.0
_BAR_WIDTH = 28


class Screen:
    """Texts of the daemon are printed as they are, never read as markup."""

    def __init__(self, console: Console | None = None) -> None:
        if console is None:
            console = Console(highlight=False, markup=False, emoji=False)
            if not console.is_terminal:
                console = Console(highlight=False, markup=False, emoji=False, width=PLAIN_WIDTH)
        self.console = console
        self._step = 0

    def title(self, text: str, under: str) -> None:
        self.console.print(text, style="bold cyan")
        self.console.print(under)

    def step(self, text: str) -> None:
        """The heading of the next step."""
        self._step += 1
        self.console.print()
        self.console.print(f"{self._step}. {text}", style="bold")

    def say(self, text: str | Text, style: str | None = None) -> None:
        """A line, indented under its heading."""
        self.console.print(Text("   ").append(text, style=style), soft_wrap=True)

    def table(self, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """The first column is text, the others stand to the right."""
        made = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), header_style="bold")
        for number, title in enumerate(columns):
            made.add_column(title, justify="left" if number == 0 else "right", no_wrap=True)
        for row in rows:
            made.add_row(*(cell if isinstance(cell, Text) else Text(str(cell)) for cell in row))
        grid = Table.grid(padding=0)
        grid.add_column(width=3)
        grid.add_column()
        grid.add_row("", made)
        self.console.print(grid)

    @contextmanager
    def moving(self) -> Iterator[Moving]:
        """One line that changes in place; where there is no terminal, a line now and then."""
        if not self.console.is_terminal:
            yield Moving(self, None)
            return
        with Live(console=self.console, refresh_per_second=8, transient=True) as live:
            yield Moving(self, live)


class Moving:
    """`update` as often as you like."""

    def __init__(self, screen: Screen, live: Live | None) -> None:
        self._screen = screen
        self._live = live
        self._said = time.monotonic()
        self._last = ""

    def update(self, text: str, fraction: float | None = None) -> None:
        """Show `text`, after a bar when `fraction` (0 to 1) is given."""
        if self._live is not None:
            line = Text("   ")
            if fraction is not None:
                line.append(bar(fraction), style="cyan")
                line.append(f" {100 * fraction:3.0f} %  ")
            line.append(text)
            line.no_wrap, line.overflow = True, "ellipsis"
            self._live.update(line)
            return
        now = time.monotonic()
        if now - self._said >= PLAIN_EVERY_S and text != self._last:
            self._said, self._last = now, text
            share = "" if fraction is None else f"{100 * fraction:3.0f} %  "
            self._screen.say(share + text)


def bar(fraction: float, width: int = _BAR_WIDTH) -> str:
    done = round(min(max(fraction, 0.0), 1.0) * width)
    return "━" * done + "╌" * (width - done)


def share(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def confusion(
    labels: Sequence[str], counts: Sequence[Sequence[int]]
) -> tuple[list[str], list[Any]]:
    """Columns and rows of a confusion matrix for `Screen.table`: rows as labelled, columns as
    predicted, by number so that long labels fit; what is wrong stands out."""
    columns = ["labelled as", *(f"→{number + 1}" for number in range(len(labels)))]
    rows: list[list[Any]] = []
    for number, (label, row) in enumerate(zip(labels, counts, strict=True)):
        cells: list[Any] = [f"{number + 1} {label}"]
        for other, count in enumerate(row):
            style = "green" if other == number else "red" if count else "dim"
            cells.append(Text(str(count) if count else "·", style=style))
        rows.append(cells)
    return columns, rows


def counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))
