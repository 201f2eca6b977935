"""The confusion matrix as a coloured grid; the clips behind a cell are one key away."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.binding import Binding
from textual.color import Color
from textual.content import Content
from textual.events import Click
from textual.message import Message
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual
from textual.widget import Widget

from tui.draw import fit

NAME_WIDTH = 18
CELL = 5


class Matrix(Widget, can_focus=True):
    """Rows are what clips are labelled, columns what was predicted. Numbers say what colours
    repeat: [right] stands in brackets. Larger than the window, it moves with the cursor."""

    ALLOW_SELECT = False
    BINDINGS = [
        Binding("up,k", "move(-1, 0)", "Up", show=False),
        Binding("down,j", "move(1, 0)", "Down", show=False),
        Binding("left,h", "move(0, -1)", "Left", show=False),
        Binding("right,l", "move(0, 1)", "Right", show=False),
        Binding("enter", "open", "Its clips"),
    ]
    DEFAULT_CSS = """
    Matrix { height: 1fr; padding: 0 1; }
    """

    class Opened(Message):
        """Enter on a cell: clips labelled `label` that were predicted as `predicted`."""

        def __init__(self, label: str, predicted: str) -> None:
            super().__init__()
            self.label, self.predicted = label, predicted

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self._labels: list[str] = []
        self._counts: list[list[int]] = []
        self._row = self._column = 0

    def show(self, labels: Sequence[str], counts: Sequence[Sequence[int]]) -> None:
        if list(labels) != self._labels:
            self._row = self._column = 0
        self._labels = list(labels)
        self._counts = [list(row) for row in counts]
        self.refresh()

    def action_move(self, rows: int, columns: int) -> None:
        most = len(self._labels) - 1
        self._row = max(0, min(most, self._row + rows))
        self._column = max(0, min(most, self._column + columns))
        self.refresh()

    def action_open(self) -> None:
        if self._labels:
            opened = self.Opened(self._labels[self._row], self._labels[self._column])
            self.post_message(opened)

    def on_click(self, event: Click) -> None:
        rows, columns = self._corner()
        row = event.y - 2 + rows
        column = (event.x - 1 - NAME_WIDTH) // CELL + columns
        if 0 <= row < len(self._labels) and 0 <= column < len(self._labels):
            again = (row, column) == (self._row, self._column)
            self._row, self._column = row, column
            self.refresh()
            if again or event.chain >= 2:
                self.action_open()

    def _corner(self) -> tuple[int, int]:
        """The first row and column that are in sight."""
        most_rows = max(1, self.content_size.height - 3)
        most_columns = max(1, (self.content_size.width - NAME_WIDTH) // CELL)
        return max(0, self._row - most_rows + 1), max(0, self._column - most_columns + 1)

    def render_line(self, y: int) -> Strip:
        width = self.size.width - 2
        rows, columns = self._corner()
        seen = range(columns, min(len(self._labels), columns + (width - NAME_WIDTH) // CELL))
        if not self._labels:
            content = Content("nothing was judged" if y == 0 else "")
        elif y == 0:
            content = Content.assemble(
                ("label \\ predicted".ljust(NAME_WIDTH), "$secondary"),
                *[(f"{column + 1:>{CELL - 1}} ", "bold") for column in seen],
            )
        elif y == self.size.height - 1:
            content = self._sentence()
        elif 0 <= y - 1 + rows < len(self._labels) and y - 1 < max(1, self.size.height - 3):
            content = self._line(y - 1 + rows, seen)
        else:
            content = Content("")
        cut = content.truncate(width, ellipsis=True, pad=True)
        strips = Visual.to_strips(self, cut, width, 1, self.visual_style, pad=True)
        return strips[0] if strips else Strip.blank(width)

    def _line(self, row: int, seen: range) -> Content:
        counts = self._counts[row]
        total = sum(counts)
        cells: list[Any] = [
            (fit(f"{row + 1} {self._labels[row]}", NAME_WIDTH), "bold" if row == self._row else "")
        ]
        for column in seen:
            number = counts[column]
            right = row == column
            text = f"[{number}]" if right else f" {number or '·'} "
            here = row == self._row and column == self._column
            text = f"▸{text.strip()}" if here else text
            cells.append((f"{text:>{CELL}}"[-CELL:], self._style(number, total, right, here)))
        return Content.assemble(*cells)

    def _style(self, number: int, total: int, right: bool, here: bool) -> Style:
        theme = self.app.current_theme
        share = number / total if total else 0.0
        base = Color.parse(theme.background or "#000000")
        full = Color.parse((theme.success if right else theme.error) or "#888888")
        # A few steps only: on a line to elsewhere, each change of colour costs.
        strength = round(share * 4) / 4 * 0.7 if number else 0.0
        background = base.blend(full, max(strength, 0.15) if number else 0.0)
        return Style(
            background=background,
            foreground=background.get_contrast_text(0.95),
            bold=here,
            underline=here and self.has_focus,
        )

    def _sentence(self) -> Content:
        number = self._counts[self._row][self._column]
        total = sum(self._counts[self._row])
        label, predicted = self._labels[self._row], self._labels[self._column]
        return Content.assemble(
            (f"{label} heard as {predicted}: {number} of {total}", "bold"),
            ("   Enter shows the clips", "$secondary") if number else "",
        )
