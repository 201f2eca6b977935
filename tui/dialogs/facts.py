"""Lines to read before one decides; a line may open something, and a key may do something."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.events import Key
from textual.widgets import Button, Static

from tui.dialogs.dialog import Dialog
from tui.widgets.rows import Row, Rows

FRAME = 6
"""Cells that border, padding and the cursor's mark take."""
AROUND = 6
"""Lines of border, title and buttons."""


class Facts(Dialog[Any]):
    """`await app.push_screen_wait(Facts(title, rows, {"f": "Deploy all the same"}))` is the letter
    of an action, the `data` of a row that has any, or None.

    `rows(width)` makes the lines for a window of so many cells.
    """

    DEFAULT_CSS = """
    Facts > #dialog { width: 96%; max-width: 110; height: 90%; max-height: 90%; }
    Facts #facts { height: 1fr; margin: 1 0 0 0; }
    Facts #buttons { height: 1; margin: 1 0 0 0; }
    """

    def __init__(
        self,
        title: str,
        rows: Callable[[int], Sequence[Row]],
        actions: dict[str, str] | None = None,
        *,
        opens: str = "",
    ) -> None:
        """actions: a letter and what it does. opens: what Enter on a line with `data` does."""
        super().__init__()
        self._title, self._rows, self._opens = title, rows, opens
        self._actions = actions or {}

    def compose(self) -> ComposeResult:
        with Vertical(id="dialog"):
            yield Static(self._title, id="dialog-title", markup=False)
            yield Rows(id="facts")
            if self._opens:
                yield Static(self._opens, id="dialog-keys", markup=False)
            with Horizontal(id="buttons"):
                yield Button("Close (Esc)", id="close", compact=True)
                for letter, words in self._actions.items():
                    yield Button(f"{words} ({letter})", id=f"do-{letter}", compact=True)

    def on_mount(self) -> None:
        self.query_one(Rows).focus()

    def on_resize(self) -> None:
        self.call_after_refresh(self._show)

    def _show(self) -> None:
        dialog = self.query_one("#dialog")
        rows = self._rows(max(20, dialog.size.width - FRAME))
        dialog.styles.height = len(rows) + AROUND + 2 * bool(self._opens)
        self.query_one(Rows).show(rows)

    def on_key(self, event: Key) -> None:
        if event.key in self._actions:
            event.stop()
            self.dismiss(event.key)

    def on_button_pressed(self, event: Button.Pressed) -> None:
        letter = str(event.button.id).removeprefix("do-")
        self.dismiss(letter if letter in self._actions else None)

    def on_rows_chosen(self, event: Rows.Chosen) -> None:
        if event.row.data is not None:
            self.dismiss(event.row.data)
