"""Clips, a line each, however many: the next page comes as the cursor nears the end."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from textual.content import Content
from textual.message import Message

from tui.draw import fit
from tui.widgets.rows import Row, Rows

NEAR_THE_END = 60

_LAZY = Content("")


class ClipRows(Rows):
    """`data` of a row is the clip as the API has it, with `label` as it is shown. A line is made
    when it is drawn, so that moving through a long list costs the lines in sight."""

    class Wanting(Message):
        """The cursor nears the end: the next page, please."""

    def __init__(self, name_of: Callable[[str | None], str], **rest: Any) -> None:
        super().__init__("", **rest)
        self._name_of = name_of
        self.marked: set[int] = set()
        self.more = False
        self._anchor: int | None = None

    # --- what is in the list -------------------------------------------------------------------

    def begin(self, clips: Iterable[dict[str, Any]], *, more: bool) -> None:
        """Another list; the cursor stays on its clip when that is in it."""
        self.marked.clear()
        self._anchor = None
        self.more = more
        self.show([Row(clip["id"], _LAZY, clip) for clip in clips])

    def append(self, clips: Iterable[dict[str, Any]], *, more: bool) -> None:
        """The next page."""
        known = {row.key for row in self._rows}
        self._rows += [Row(c["id"], _LAZY, c) for c in clips if c["id"] not in known]
        self.more = more
        self._redraw()

    def relabel(self, labels: Any, *, leave: bool) -> None:
        """Clips have other labels now. `leave`: those with a label go from the list, and those
        without one that went come back (with their data) where the cursor is."""
        changed = False
        for index, row in enumerate(self._rows):
            if row.key in labels and row.data["label"] != labels[row.key]:
                self._rows[index] = Row(row.key, _LAZY, {**row.data, "label": labels[row.key]})
                changed = True
        if leave:
            gone = {clip for clip, label in labels.items() if label is not None}
            self.drop(gone)
        if changed:
            self._redraw()

    def drop(self, clips: set[int]) -> None:
        """These are not in the list any more; the cursor goes to the next one that is."""
        if not any(row.key in clips for row in self._rows):
            return
        before = self._cursor
        above = sum(row.key in clips for row in self._rows[:before])
        self._rows = [row for row in self._rows if row.key not in clips]
        self.marked -= clips
        self._anchor = None
        self._cursor = max(0, min(before - above, len(self._rows) - 1))
        self._keep_in_sight()
        self._redraw()
        self.post_message(self.Moved(self, self.current))
        self._want()

    def put_back(self, clips: Sequence[dict[str, Any]]) -> None:
        """Clips that had gone, where the cursor is; it goes to the first of them."""
        known = {row.key for row in self._rows}
        fresh = [Row(clip["id"], _LAZY, clip) for clip in clips if clip["id"] not in known]
        self._rows[self._cursor : self._cursor] = fresh
        self._keep_in_sight()
        self._redraw()
        self.post_message(self.Moved(self, self.current))

    def add_first(self, clip: dict[str, Any]) -> None:
        """A clip that has just come: above the others; the cursor stays on its own."""
        if any(row.key == clip["id"] for row in self._rows):
            return
        self.show([Row(clip["id"], _LAZY, clip), *self._rows])

    # --- which are meant -----------------------------------------------------------------------

    @property
    def clip(self) -> dict[str, Any] | None:
        """The clip under the cursor."""
        row = self.current
        return None if row is None else row.data

    def meant(self) -> list[dict[str, Any]]:
        """The marked clips, or else the one under the cursor."""
        if self.marked:
            return [row.data for row in self._rows if row.key in self.marked]
        return [] if self.clip is None else [self.clip]

    def mark(self) -> None:
        """Mark the clip under the cursor, or not; then the next one."""
        if self.current is not None:
            self.marked ^= {self.current.key}
            self._anchor = self._cursor
            self.action_move(1)
            self._redraw()

    def mark_range(self) -> None:
        """Mark everything from the clip that was marked last to the cursor."""
        if self._rows:
            first = self._cursor if self._anchor is None else min(self._anchor, self._cursor)
            last = self._cursor if self._anchor is None else max(self._anchor, self._cursor)
            self.marked |= {row.key for row in self._rows[first : last + 1]}
            self._anchor = self._cursor
            self._redraw()

    def mark_none(self) -> bool:
        """Mark nothing; whether anything had been marked."""
        had = bool(self.marked)
        self.marked.clear()
        self._anchor = None
        self._redraw()
        return had

    def next_unlabelled(self) -> bool:
        """To the next clip without a label; False when there is none below."""
        for index in range(self._cursor + 1, len(self._rows)):
            if self._rows[index].data["label"] is None:
                self._go(index)
                return True
        return False

    # --- drawing -------------------------------------------------------------------------------

    def _go(self, index: int) -> None:
        super()._go(index)
        self._want()

    def _want(self) -> None:
        if self.more and self._cursor >= len(self._rows) - NEAR_THE_END:
            self.post_message(self.Wanting())

    def content_of(self, row: Row) -> Content:
        clip = row.data
        label = clip["label"]
        suggested = clip.get("suggested_label")
        shown = label or ""
        if not label and suggested:
            shown = f"{suggested}? {100 * (clip['suggested_score'] or 0):.0f} %"
        when = time.strftime("%d.%m. %H:%M", time.localtime(clip["recorded_at"]))
        # 2 cells of the cursor's mark; then mark 2, id 8, time 14, length 8.
        room = self.size.width - 2 - 32
        label_width = min(24, max(12, room // 2))
        rest = max(0, room - label_width - 1)
        style = "bold" if label else "italic $accent" if suggested else ""
        # A reason is worth the room only where there is something behind it.
        told = clip.get("reason") if suggested or clip.get("flagged") else None
        why = told or clip["filename"] or self._name_of(clip["microphone"])
        flag = "!" if clip.get("flagged") else " "
        return Content.assemble(
            ("✓ " if row.key in self.marked else "  ", "bold $warning"),
            f"{clip['id']:>6}{flag} ",
            f"{when}  ",
            f"{clip['duration_s']:>5.1f} s ",
            (fit(shown, label_width), style),
            f" {fit(why or '', rest)}" if rest > 3 else "",
        )
