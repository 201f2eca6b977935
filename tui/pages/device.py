"""Device."""

from __future__ import annotations

from textual.app import ComposeResult
from textual.widgets import Static

from tui.page import Page


class DevicePage(Page):
    """Device."""

    NAME = "device"

    def body(self) -> ComposeResult:
        yield Static("")
