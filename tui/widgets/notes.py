"""Short notes below one another; where not all of them fit, a last line says how many more."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from textual.content import Content
from textual.widgets import Static

LEAST_LINES = 5


class Notes(Static):
    """`say(notes)` wraps each. A fifth of the window is theirs."""

    def __init__(self, key: str, **rest: Any) -> None:
        """key: what a person presses to read all of them."""
        super().__init__(**rest)
        self._key = key
        self._notes: Sequence[Content] = ()
        self._drawn: Content | None = None

    @property
    def all(self) -> Content:
        """Every note in full."""
        return Content("\n").join(self._notes)

    def say(self, notes: Sequence[Content]) -> None:
        self._notes = notes
        self._draw()

    def on_resize(self) -> None:
        self._draw()

    def _draw(self) -> None:
        width = self.content_size.width
        if not width:
            return  # before there is a layout; a resize follows
        wrapped = [note.wrap(width) for note in self._notes]
        lines = [line for note in wrapped for line in note]
        room = max(LEAST_LINES, self.screen.size.height // 5)
        if len(lines) > room:
            whole, end = 0, 0
            for note in wrapped:
                end += len(note)
                whole += end < room
            more = len(wrapped) - whole
            lines = [*lines[: room - 1], Content(f"… {more} more: {self._key} reads all")]
        drawn = Content("\n").join(lines)
        if drawn != self._drawn:
            self._drawn = drawn
            self.update(drawn)
