"""Label."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tui.page import Page


class LabelPage(Page):
    """Label."""

    NAME = "label"

    def body(self) -> ComposeResult:
        yield Static("")
