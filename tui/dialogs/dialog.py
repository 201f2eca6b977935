"""What every dialog looks like."""

from __future__ import annotations

from typing import TypeVar

from textual.binding import Binding
from textual.screen import ModalScreen

from tui.widgets.message_line import MessageLine

T = TypeVar("T")


class Dialog(ModalScreen[T]):
    """A box in the middle; Escape closes it without an answer (None)."""

    BINDINGS = [Binding("escape", "close", "Close")]

    DEFAULT_CSS = """
    Dialog { align: center middle; background: $background 60%; }
    Dialog > #dialog { width: 64; max-width: 96%; height: auto; max-height: 90%;
                       border: round $primary; background: $surface; padding: 0 1; }
    Dialog #dialog-title { text-style: bold; width: 100%; }
    Dialog #dialog-detail { color: $foreground; width: 100%; margin: 1 0 0 0; }
    Dialog #dialog-keys { color: $secondary; width: 100%; margin: 1 0 0 0; }
    Dialog Input { background: $panel; }
    Dialog Input:focus { background: $primary 30%; }
    Dialog > MessageLine { dock: bottom; width: 100%; max-height: 2; background: $background;
                           display: none; }
    Dialog > MessageLine.-says { display: block; }
    Dialog Button { min-width: 8; margin: 0 2 0 0; }
    Dialog Button:focus { text-style: bold reverse; }
    """

    def on_mount(self) -> None:
        # Over the page's keys, which do nothing now.
        self.mount(MessageLine())

    def action_close(self) -> None:
        self.dismiss(None)
