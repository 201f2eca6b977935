"""Versions."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tui.page import Page


class VersionsPage(Page):
    """Versions."""

    NAME = "versions"

    def body(self) -> ComposeResult:
        yield Static("")
