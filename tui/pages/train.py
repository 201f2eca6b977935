"""Train."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tui.page import Page


class TrainPage(Page):
    """Train."""

    NAME = "train"

    def body(self) -> ComposeResult:
        yield Static("")
