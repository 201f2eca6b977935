"""A list of lines with a cursor that sends only the lines that changed over the wire."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich.cells import cell_len
from textual.binding import Binding
from textual.content import Content
from textual.events import Click, MouseScrollDown, MouseScrollUp
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.style import Style
from textual.visual import Visual
from textual.widget import Widget

MEANT_S = 0.8
"""A key that comes so soon after another row slid under the cursor was meant for the one before:
over a slow line it was on its way already."""


@dataclass(frozen=True)
class Row:
    """One line. `key` tells it from others when the list is shown anew; `data` is the owner's."""

    key: Any
    content: Content
    data: Any = None


class Rows(Widget, can_focus=True):
    """`show(rows)` as often as anything changed: the cursor stays on its row, by key, and a line
    that is as before costs nothing. The row under the cursor is marked by ▸ as well as by colour.
    """

    ALLOW_SELECT = False
    BINDINGS = [
        Binding("up,k", "move(-1)", "Up", show=False),
        Binding("down,j", "move(1)", "Down", show=False),
        Binding("pageup", "page(-1)", "Page up", show=False),
        Binding("pagedown", "page(1)", "Page down", show=False),
        Binding("home", "end(-1)", "First", show=False),
        Binding("end", "end(1)", "Last", show=False),
        Binding("enter", "choose", "Open", show=False),
    ]
    COMPONENT_CLASSES = {"rows--cursor", "rows--empty", "rows--head"}
    DEFAULT_CSS = """
    Rows { width: 1fr; height: 1fr; }
    Rows > .rows--cursor { background: $panel; text-style: bold; }
    Rows:focus > .rows--cursor { background: $primary 40%; }
    Rows > .rows--empty { color: $foreground 70%; }
    Rows > .rows--head { color: $secondary; }
    """

    class Moved(Message):
        """The cursor is on another row now (or on none)."""

        def __init__(self, rows: Rows, row: Row | None) -> None:
            super().__init__()
            self.rows, self.row = rows, row

        @property
        def control(self) -> Rows:
            return self.rows

    class Chosen(Message):
        """Enter or a second click on a row."""

        def __init__(self, rows: Rows, row: Row) -> None:
            super().__init__()
            self.rows, self.row = rows, row

        @property
        def control(self) -> Rows:
            return self.rows

    def __init__(
        self,
        empty: str = "",
        *,
        head: str = "",
        follow_top: bool = False,
        cursor: bool = True,
        chooses: bool = True,
        **rest: Any,
    ) -> None:
        """empty: said when there is no row. head: a line above. follow_top: while the cursor is
        on the first row it stays there when rows come in above. cursor: whether there is one;
        without it the list is only looked at. chooses: whether Enter is for the row; else it is
        for the page."""
        super().__init__(**rest)
        self.can_focus = cursor
        self._with_cursor = cursor
        self._chooses = chooses
        self._empty = empty
        self._head = head
        self._follow_top = follow_top
        self._rows: list[Row] = []
        self._cursor = 0
        self._offset = 0
        self._drawn: dict[int, Strip] = {}
        self._slid: tuple[float, Any] | None = None
        """When another row came under the cursor by itself, and the key of the one before."""

    # --- what is shown -------------------------------------------------------------------------

    @property
    def current(self) -> Row | None:
        """The row under the cursor."""
        return self._rows[self._cursor] if self._rows else None

    @property
    def rows(self) -> Sequence[Row]:
        return self._rows

    def say_empty(self, text: str) -> None:
        """What stands here when there is no row."""
        if text != self._empty:
            self._empty = text
            if not self._rows:
                self.refresh()

    def head(self, text: str) -> None:
        """The line above the rows."""
        if text != self._head:
            self._head = text
            self.refresh()

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows instead of those before."""
        before = self.current
        self._rows = list(rows)
        keep = before is not None and not (self._follow_top and self._cursor == 0)
        if keep and before is not None:
            self._cursor = next(
                (i for i, row in enumerate(self._rows) if row.key == before.key), self._cursor
            )
        self._cursor = max(0, min(self._cursor, len(self._rows) - 1))
        self._keep_in_sight()
        self._redraw()
        after = self.current
        if (before and before.key) != (after and after.key):
            self.slid_from(before)
            self.post_message(self.Moved(self, after))

    # --- which row a key is for ----------------------------------------------------------------

    def slid_from(self, before: Row | None) -> None:
        """Another row is under the cursor, and not by a key."""
        if before is not None and self.slid is None:
            self._slid = (time.monotonic(), before.key)

    def settle(self) -> None:
        """The person has brought it there: the next key is for it."""
        self._slid = None

    @property
    def slid(self) -> Any | None:
        """The key of the row that a key pressed now was meant for, where that is not the one under
        the cursor any more."""
        if self._slid is None or time.monotonic() - self._slid[0] >= MEANT_S:
            return None
        now = self.current
        return self._slid[1] if now is None or now.key != self._slid[1] else None

    def name_of(self, key: Any) -> str:
        """What a person calls the row with that key."""
        return str(key)

    def content_of(self, row: Row) -> Content:
        """What stands in the line of `row`: a long list makes it only for the lines in sight."""
        return row.content

    def go_to(self, key: Any) -> bool:
        """Put the cursor on the row with that key; False when there is none."""
        for index, row in enumerate(self._rows):
            if row.key == key:
                self._go(index)
                return True
        return False

    # --- keys and mouse ------------------------------------------------------------------------

    def action_move(self, step: int) -> None:
        self._go(self._cursor + step)

    def action_page(self, direction: int) -> None:
        self._go(self._cursor + direction * max(1, self._room - 1))

    def action_end(self, direction: int) -> None:
        self._go(0 if direction < 0 else len(self._rows) - 1)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        return action != "choose" or self._chooses

    def action_choose(self) -> None:
        if (row := self.current) is not None:
            self.post_message(self.Chosen(self, row))

    def on_click(self, event: Click) -> None:
        index = self._offset + event.y - self._head_lines
        if 0 <= index < len(self._rows) and event.y >= self._head_lines:
            if event.chain >= 2:
                self.action_choose()
            else:
                self._go(index)

    def on_mouse_scroll_down(self, event: MouseScrollDown) -> None:
        event.stop()
        self.action_move(3)

    def on_mouse_scroll_up(self, event: MouseScrollUp) -> None:
        event.stop()
        self.action_move(-3)

    # --- drawing -------------------------------------------------------------------------------

    @property
    def _head_lines(self) -> int:
        return 1 if self._head else 0

    @property
    def _room(self) -> int:
        return max(1, self.size.height - self._head_lines)

    def _go(self, index: int) -> None:
        self.settle()
        index = max(0, min(index, len(self._rows) - 1))
        if index == self._cursor or not self._rows:
            return
        self._cursor = index
        self._keep_in_sight()
        self._redraw()
        self.post_message(self.Moved(self, self.current))

    def _keep_in_sight(self) -> None:
        self._offset = min(self._offset, self._cursor)
        self._offset = max(self._offset, self._cursor - self._room + 1)
        self._offset = max(0, min(self._offset, max(0, len(self._rows) - self._room)))

    def _redraw(self) -> None:
        """Send the cells that differ from those that are on the screen."""
        width = self.size.width
        for y in range(self.size.height):
            before = self._drawn.get(y)
            span = difference(before, self._strip(y)) if before is not None else (0, width)
            if span is not None:
                self.refresh(Region(span[0], y, span[1] - span[0], 1))

    def on_resize(self) -> None:
        self._keep_in_sight()

    def notify_style_update(self) -> None:
        super().notify_style_update()
        self._drawn.clear()

    def render_line(self, y: int) -> Strip:
        strip = self._strip(y)
        self._drawn[y] = strip
        return strip

    def _strip(self, y: int) -> Strip:
        width = self.size.width
        if self._head and y == 0:
            mark = "  " if self._with_cursor else ""
            return self._line(Content(f"{mark}{self._head}"), width, "rows--head")
        line = y - self._head_lines
        index = self._offset + line
        if index < len(self._rows):
            cursor = index == self._cursor and self._with_cursor
            mark = "▸ " if cursor else "  " if self._with_cursor else ""
            content = Content.assemble(mark, self.content_of(self._rows[index]))
            return self._line(content, width, "rows--cursor" if cursor else "")
        if not self._rows:
            words = self._empty.split("\n")
            if line < len(words):
                return self._line(Content(f" {words[line]}"), width, "rows--empty")
        return self._line(Content(""), width, "")

    def _line(self, content: Content, width: int, component: str) -> Strip:
        style = self.visual_style
        if component:
            style += Style.from_styles(self.get_component_styles(component))
        cut = content.truncate(width, ellipsis=True, pad=True)
        strips = Visual.to_strips(self, cut, width, 1, style, pad=True)
        return strips[0] if strips else Strip.blank(width)


def difference(before: Strip, after: Strip) -> tuple[int, int] | None:
    """The cells from the first to behind the last that differ; None when none does."""
    old, new = _cells(before), _cells(after)
    if len(old) != len(new):
        return 0, len(new)
    changed = [x for x, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    return (changed[0], changed[-1] + 1) if changed else None


def _cells(strip: Strip) -> list[tuple[str, Any]]:
    cells: list[tuple[str, Any]] = []
    for segment in strip:
        for letter in segment.text:
            width = cell_len(letter)
            if width:
                cells.append((letter, segment.style))
                cells += [("", segment.style)] * (width - 1)
            elif cells:
                # A mark that stands on the letter before it.
                cells[-1] = (cells[-1][0] + letter, cells[-1][1])
    return cells
