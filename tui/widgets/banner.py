"""A line under the top that is only there when something is wrong with the line to the daemon."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


class Banner(Widget):
    """Says that the daemon is away, or that it is of another version."""

    DEFAULT_CSS = """
    Banner { height: auto; max-height: 4; display: none; background: $error;
             color: $background; text-style: bold; padding: 0 1; }
    Banner.-note { background: $warning; }
    Banner.-shown { display: block; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._text = ""

    def show(self, text: str, *, note: bool = False) -> None:
        """Show `text`; hide the line when it is empty."""
        self.set_class(bool(text), "-shown")
        self.set_class(note, "-note")
        if text != self._text:
            self._text = text
            self.refresh(layout=True)

    def render(self) -> Content:
        return Content(self._text)
