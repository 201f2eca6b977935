"""What is on its way to listening: a line each for the comparison, the engine and the shadow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.content import Content
from textual.widget import Widget

from tui.draw import bar
from tui.gate_words import ended_words, engine_words, hearing_words, shadow_words

BAR = 12
_MARKS = {"passed": ("✓ ", "$success"), "refused": ("✗ ", "bold $error")}


class GoingLive(Widget):
    """No line where nothing goes on. A comparison that has ended stays until `dismissed`."""

    DEFAULT_CSS = """
    GoingLive { height: auto; max-height: 3; padding: 0 1; }
    """

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self.comparison: Mapping[str, Any] | None = None
        self.engine: Mapping[str, Any] | None = None
        self.shadow: Mapping[str, Any] | None = None
        self._lines: list[Content] = []

    def compare(self, comparison: Mapping[str, Any] | None) -> None:
        """How `GET /comparisons` or the event has it; None for none."""
        self.comparison = comparison
        self._draw()

    def build(self, work: Mapping[str, Any] | None) -> None:
        """The engine that is built, as in the event `engine`."""
        self.engine = work
        self._draw()

    def listen_silently(self, shadow: Mapping[str, Any] | None) -> None:
        """The shadow that runs, as in `GET /shadow`."""
        self.shadow = shadow
        self._draw()

    def dismissed(self) -> bool:
        """Forget how the last one ended; whether that was shown."""
        shown = self.comparison is not None and self.comparison["state"] != "running"
        if shown:
            self.compare(None)
        return shown

    def _draw(self) -> None:
        lines = [*self._comparison(), *self._engine()]
        if words := shadow_words(self.shadow):
            lines.append(Content.assemble("s shows  ", (words, "$secondary")))
        if lines == self._lines:
            return
        self.refresh(layout=len(lines) != len(self._lines))
        self._lines = lines

    def _comparison(self) -> list[Content]:
        seen = self.comparison
        if seen is None:
            return []
        if words := hearing_words(seen):
            fraction = (seen["progress"] or {}).get("fraction", 0.0)
            return [Content.assemble("x stops  ", (bar(fraction, BAR), "$accent"), f" {words}")]
        mark = _MARKS.get(seen["state"], ("! ", "bold $warning"))
        return [Content.assemble("w shows  ", mark, ended_words(seen))]

    def _engine(self) -> list[Content]:
        if not (words := engine_words(self.engine)) or self.engine is None:
            return []
        part = (bar(self.engine["fraction"], BAR), "$accent")
        return [Content.assemble("x stops  ", part, f" {words}")]

    def get_content_height(self, *_: Any) -> int:
        return len(self._lines)

    def render(self) -> Content:
        width = self.content_size.width
        return Content("\n").join([line.truncate(width, ellipsis=True) for line in self._lines])
