"""What is told for a few seconds, on a line of its own above the keys, so that it hides nothing."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.content import Content
from textual.events import Click
from textual.geometry import Size
from textual.notifications import Notification
from textual.timer import Timer
from textual.widget import Widget

MOST_LINES = 4
_SIGNS = {"error": ("✗ ", "bold $error"), "warning": ("! ", "bold $warning")}
_RANKS = ("information", "warning", "error")


class MessageLine(Widget):
    """The line is always there: one that came and went would move the screen each time, and all of
    it would go over the wire. A longer text takes more lines for its time, and the page is as much
    shorter. Of several the worst stands here, of those the newest; a click takes it away."""

    ALLOW_SELECT = False
    DEFAULT_CSS = """
    MessageLine { height: auto; min-height: 1; max-height: 4; padding: 0 1; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._shown: Notification | None = None
        self._text = Content("")
        self._until: Timer | None = None

    def show(self, notifications: Iterable[Notification]) -> None:
        """Those that hold now."""
        known = list(notifications)
        worst = max(
            enumerate(known),
            key=lambda one: (_RANKS.index(one[1].severity), one[0]),
            default=(0, None),
        )[1]
        if self._until is not None:
            self._until.stop()
            self._until = None
        if known:
            # Textual forgets them by itself, but tells nobody.
            soonest = max(0.05, min(one.time_left for one in known) + 0.02)
            self._until = self.set_timer(soonest, self.app._refresh_notifications)
        if worst is not self._shown:
            before = self._lines(self._room)
            self._shown = worst
            self.set_class(worst is not None, "-says")
            self._text = Content("") if worst is None else _content(worst)
            self.refresh(layout=self._lines(self._room) != before)

    def on_mount(self) -> None:
        self.app._refresh_notifications()

    def on_click(self, event: Click) -> None:
        if self._shown is not None:
            self.app._unnotify(self._shown)

    @property
    def _room(self) -> int:
        return self.content_size.width or 78

    def _lines(self, width: int) -> int:
        return max(1, min(MOST_LINES, len(self._text.wrap(max(1, width)))))

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        return self._lines(width)

    def render(self) -> Content:
        lines = self._text.wrap(max(1, self._room))
        if len(lines) > MOST_LINES:
            last = Content.assemble(lines[MOST_LINES - 1], "…")
            lines = [*lines[: MOST_LINES - 1], last.truncate(self._room, ellipsis=True)]
        return Content("\n").join(lines)


def _content(said: Notification) -> Content:
    parts: list[Any] = [_SIGNS.get(said.severity, "")]
    if said.title:
        parts.append((f"{said.title}: ", "bold"))
    parts.append(" ".join(said.message.split()))
    return Content.assemble(*parts)
