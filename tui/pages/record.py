"""Record."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tui.page import Page


class RecordPage(Page):
    """Record."""

    NAME = "record"

    def body(self) -> ComposeResult:
        yield Static("")
