"""Listen."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tui.page import Page


class ListenPage(Page):
    """Listen."""

    NAME = "listen"

    def body(self) -> ComposeResult:
        yield Static("")
