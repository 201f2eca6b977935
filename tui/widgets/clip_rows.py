"""Clips, a line each, however many: the next page comes as the cursor nears the end."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, overload

from rich.cells import cell_len
from textual.content import Content
from textual.message import Message

from tui.clip_list import Clip, ClipList
from tui.draw import fit
from tui.widgets.rows import Row, Rows

NEAR_THE_END = 60

LEAST_LABEL, MOST_LABEL = 12, 24

_LAZY = Content("")


class ClipRows(Rows):
    """`data` of a row is a `Clip`, with `label` as it is shown. A row and its line are made when
    they are drawn, so that a long list costs the lines in sight."""

    class Wanting(Message):
        """The cursor nears the end: the next page, please."""

    def __init__(self, name_of: Callable[[str | None], str], **rest: Any) -> None:
        super().__init__("", **rest)
        self._name_of = name_of
        self.marked: set[int] = set()
        self.more = False
        self._anchor: int | None = None
        """The id of the clip that was marked last."""
        self._label_width = LEAST_LABEL
        self._hold(ClipList())

    def _hold(self, clips: ClipList) -> None:
        self.clips = clips
        self._rows = _Lazy(clips)  # type: ignore[assignment]

    # --- what is in the list -------------------------------------------------------------------

    def begin(self, items: Iterable[Mapping[str, Any]], *, more: bool) -> None:
        """Another list; the cursor stays on its clip when that is in it."""
        self.marked.clear()
        self._anchor = None
        self.more = more
        self._put(ClipList(self._made(items)))

    def renew(self, items: Iterable[Mapping[str, Any]], *, more: bool) -> bool:
        """The same list, fetched again from its top: cursor and marks stay. The clips below the
        last of `items` stay as they were (then True), unless that one is new here."""
        fresh = ClipList(self._made(items))
        last = self.clips.place(fresh[len(fresh) - 1].id) if len(fresh) else None
        below = [] if last is None or not more else self.clips.between(last + 1, len(self.clips))
        kept = bool(below)
        self.more = self.more if kept else more
        fresh.append(below)
        self.marked = {one for one in self.marked if one in fresh}
        self._put(fresh)
        return kept

    def _made(self, items: Iterable[Mapping[str, Any]]) -> list[Clip]:
        clips = [Clip(item) for item in items]
        for clip in clips:
            self._widen(clip)
        return clips

    def _widen(self, clip: Clip) -> None:
        """The column of labels is as wide as the widest that was seen; the rest is for reasons."""
        width = cell_len(_label(clip))
        self._label_width = min(MOST_LABEL, max(self._label_width, width))

    def append(self, items: Iterable[Mapping[str, Any]], *, more: bool) -> None:
        """The next page."""
        self.clips.append(self._made(items))
        self.more = more
        self._redraw()
        self._want()

    def relabel(self, labels: Mapping[int, str | None], *, leave: bool) -> tuple[int, list[int]]:
        """Clips have other labels now. `leave`: those with a label go from the list. How many
        went, and which of `labels` are not in the list."""
        absent, gone = [], set()
        for identifier, label in labels.items():
            clip = self.clips.get(identifier)
            if clip is None:
                absent.append(identifier)
            else:
                clip.label = label
                self._widen(clip)
                if leave and label is not None:
                    gone.add(identifier)
        self.drop(gone)
        self._redraw()
        return len(gone), absent

    def drop(self, identifiers: set[int]) -> None:
        """These are not in the list any more; the cursor goes to the next one that is."""
        before = self._under
        places = self.clips.remove(identifiers)
        if not places:
            return
        self.marked -= identifiers
        if self._anchor in identifiers:
            self._anchor = None
        self._cursor -= bisect_left(places, self._cursor)
        self._moved(before)
        self._want()

    def put_back(self, clips: Iterable[Clip]) -> None:
        """Clips that had gone, where the cursor is; it goes to the first of them."""
        before = self._under
        self.clips.insert(self._cursor, clips)
        self._moved(before)

    def add_first(self, item: Mapping[str, Any]) -> bool:
        """A clip that has just come: above the others; the cursor stays on its own. False when
        it was there already."""
        below = len(self.clips) > 0
        if not self.clips.insert(0, self._made([item])):
            return False
        if below:
            self._cursor += 1
            self._offset += 1 if self._offset else 0
            self._keep_in_sight()
            self._redraw()
        else:
            self._moved(None)
        return True

    def go_to(self, key: Any) -> bool:
        place = self.clips.place(key)
        if place is not None:
            self._go(place)
        return place is not None

    def _put(self, clips: ClipList) -> None:
        before, row = self.clip, self._under
        line = self._cursor - self._offset
        self._hold(clips)
        place = None if before is None else clips.place(before.id)
        if place is not None:
            self._cursor, self._offset = place, max(0, place - line)
        if place is not None or before is None:
            self._cursor = max(0, min(self._cursor, len(clips) - 1))
            self._keep_in_sight()
            self._redraw()
            if before is None:
                self.post_message(self.Moved(self, self.current))
        else:
            self._moved(row)
        self._want()

    def _moved(self, before: Row | None) -> None:
        """Another clip is under the cursor than `before`."""
        self._cursor = max(0, min(self._cursor, len(self.clips) - 1))
        self._keep_in_sight()
        self._redraw()
        now = self.clip
        if before is not None and (now is None or now.id != before.key):
            self.slid_from(before)
        self.post_message(self.Moved(self, self.current))

    # --- which are meant -----------------------------------------------------------------------

    @property
    def _under(self) -> Row | None:
        clip = self.clip
        return None if clip is None else Row(clip.id, _LAZY, clip)

    @property
    def clip(self) -> Clip | None:
        """The clip under the cursor."""
        return self.clips[self._cursor] if len(self.clips) else None

    def meant(self) -> list[Clip]:
        """The marked clips in the order of the list, or else the one under the cursor."""
        if self.marked:
            return [self.clips[place] for place in self.clips.places(self.marked)]
        return [] if self.clip is None else [self.clip]

    def mark(self) -> None:
        """Mark the clip under the cursor, or not; then the next one."""
        if self.clip is not None:
            self.marked ^= {self.clip.id}
            self._anchor = self.clip.id
            self.action_move(1)
            self._redraw()

    def mark_range(self) -> None:
        """Mark everything from the clip that was marked last to the cursor."""
        if self.clip is not None:
            anchor = None if self._anchor is None else self.clips.place(self._anchor)
            first, last = sorted((self._cursor if anchor is None else anchor, self._cursor))
            self.marked |= {clip.id for clip in self.clips.between(first, last + 1)}
            self._anchor = self.clip.id
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
        for place in range(self._cursor + 1, len(self.clips)):
            if self.clips[place].label is None:
                self._go(place)
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
        clip: Clip = row.data
        label, suggested = clip.label, clip.suggested
        when = time.strftime("%d.%m. %H:%M", time.localtime(clip.recorded_at))
        # 2 cells of the cursor's mark; then mark 2, id 8, time 14, length 8.
        room = self.size.width - 2 - 32
        label_width = min(self._label_width, max(LEAST_LABEL, room // 2))
        rest = max(0, room - label_width - 1)
        style = "bold" if label else "italic $accent" if suggested else ""
        # A reason is worth the room only where there is something behind it.
        told = clip.reason if suggested or clip.flagged else None
        why = told or clip.filename or self._name_of(clip.microphone) or ""
        if clip.alike:
            why = f"≈ {clip.alike[0]}{'…' if len(clip.alike) > 1 else ''}  {why}"
        flag = "!" if clip.flagged else " "
        return Content.assemble(
            ("✓ " if clip.id in self.marked else "  ", "bold $warning"),
            f"{clip.id:>6}{flag} ",
            f"{when}  ",
            f"{clip.duration_s:>5.1f} s ",
            (fit(_label(clip), label_width), style),
            f" {fit(why, rest)}" if rest > 3 else "",
        )


def _label(clip: Clip) -> str:
    """Its label, or what the box would say."""
    if clip.label or not clip.suggested:
        return clip.label or ""
    return f"{clip.suggested}? {100 * (clip.suggested_score or 0):.0f} %"


class _Lazy(Sequence[Row]):
    """Rows that are made when they are looked at."""

    def __init__(self, clips: ClipList) -> None:
        self._clips = clips

    def __len__(self) -> int:
        return len(self._clips)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Sequence[Row]:
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self)))]
        clip = self._clips[index]
        return Row(clip.id, _LAZY, clip)
