"""A long text to read: a log, a history."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.binding import Binding
from textual.containers import VerticalScroll
from textual.content import Content
from textual.widgets import Static

from tui.dialogs.dialog import Dialog


class TextDialog(Dialog[None]):
    """Scrolls; opens at its end when `end` is given, as a log wants it."""

    BINDINGS = [Binding("q,enter", "close", "Close", show=False)]
    DEFAULT_CSS = """
    TextDialog > #dialog { width: 96%; height: 90%; }
    """

    def __init__(self, title: str, text: Content, *, end: bool = False) -> None:
        super().__init__()
        self._title, self._text, self._end = title, text, end

    def compose(self) -> ComposeResult:
        with VerticalScroll(id="dialog"):
            yield Static(self._title, id="dialog-title", markup=False)
            yield Static(self._text)

    def on_mount(self) -> None:
        scroll = self.query_one(VerticalScroll)
        scroll.focus()
        if self._end:
            self.call_after_refresh(scroll.scroll_end, animate=False)
