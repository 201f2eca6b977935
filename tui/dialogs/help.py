"""`?`: what the screen is for, and every key that works on it."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.dialogs.dialog import Dialog


class Help(Dialog[None]):
    """Made from the screen's own bindings, so that it cannot be out of date."""

    BINDINGS = [Binding("question_mark,q,enter", "close", "Close", show=False)]

    def __init__(self, title: str, text: str, keys: list[tuple[str, str, str]]) -> None:
        """keys: (key, what it does in a word, more about it)."""
        super().__init__()
        self._title, self._text, self._keys = title, text, keys

    def compose(self) -> ComposeResult:
        width = max((len(key) for key, _, _ in self._keys), default=0)
        lines = [
            Content.assemble(
                (key.rjust(width), "bold $accent"), f"  {words}", (f"  {more}" if more else "")
            )
            for key, words, more in self._keys
        ]
        with VerticalScroll(id="dialog"):
            yield Static(self._title, id="dialog-title", markup=False)
            if self._text:
                yield Static(self._text, id="dialog-detail", markup=False)
            yield Static(Content("\n").join([Content(""), *lines]))
            yield Static("Escape closes", id="dialog-keys", markup=False)
