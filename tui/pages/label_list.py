"""The list of the Label screen: fetched a page at a time, kept in step with what others do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tui.clip_source import ClipSource
from tui.labelling import Item, Labels
from tui.widgets.clip_rows import ClipRows

if TYPE_CHECKING:
    from tui.pages.label import LabelPage

MOST_ADDED = 20
SOON_S = 1.0
"""What others do is looked at again when they have paused for so long."""


class LabelList:
    """`source` says which clips are wanted; `begin` fetches them, `more` the page behind."""

    def __init__(self, page: LabelPage) -> None:
        self._page = page
        self.source = ClipSource()
        self.count: int | None = None
        """How many there are in all, where the daemon knows."""
        self._cursor: str | None = None
        self._asked = 0
        self._answered: object = None
        """The question that the list answers: another one begins at its top."""
        self._fetching = False
        self._meanwhile: list[dict[str, Any]] = []
        """The events that came since the list was asked for: its answer may be older."""

    @property
    def rows(self) -> ClipRows:
        return self._page.query_one(ClipRows)

    async def begin(self, renew: bool = False) -> None:
        """What is wanted now from its first page; `renew`: as much of it as was loaded."""
        page, rows, source = self._page, self.rows, self.source
        renew = renew and source.question == self._answered
        question, waiting = source.question, page.labelling.waiting
        self._asked = asked = self._asked + 1
        self._fetching = True
        self._meanwhile.clear()
        try:
            found = await source.first(page.box, len(rows.clips) if renew else 0)
            count = await source.count(page.box)
        finally:
            self._fetching = self._fetching and asked != self._asked
        if asked != self._asked or question != source.question:
            return  # something else is wanted by now
        self.count, self._answered = count, question
        rows.say_empty(source.nothing)
        shown, more = self._as_shown(found.items, waiting), found.cursor is not None
        if not renew:
            rows.begin(shown, more=more)
        if not renew or not rows.renew(shown, more=more):
            self._cursor = found.cursor
        self._again()
        page.describe()
        page.look_soon()

    def want(self) -> None:
        """The cursor nears the end: fetch the next page, unless that is under way."""
        if self._cursor is not None and not self._fetching and self._page.box.connected:
            self._fetching = True
            self._meanwhile.clear()
            self._page.start(self._more, group="more")

    async def _more(self) -> None:
        asked, waiting = self._asked, self._page.labelling.waiting
        try:
            found = await self.source.page(self._page.box, self._cursor)
        finally:
            self._fetching = self._fetching and asked != self._asked
        if asked == self._asked:
            self._cursor = found.cursor
            shown = self._as_shown(found.items, waiting)
            self.rows.append(shown, more=found.cursor is not None)
            self._again()

    def _again(self) -> None:
        """What happened while an answer came, on that answer too."""
        events, self._meanwhile = self._meanwhile, []
        for event in events:
            self._apply(event)

    async def recount(self) -> None:
        """Labels were given or changed, or clips deleted, here or elsewhere: how many have which
        now."""
        if self.count is not None and not len(self._page.outbox):
            self.count = await self.source.count(self._page.box)
        await self._page.know_labels()

    def _as_shown(self, items: list[Item], waiting: Labels) -> list[Item]:
        own = self._page.labelling.over(items, waiting)
        return [item for item in own if not (self.source.leaves and item["label"] is not None)]

    # --- what happens meanwhile ----------------------------------------------------------------

    def heard(self, data: dict[str, Any]) -> None:
        """The event `clip`."""
        if self._fetching:
            self._meanwhile.append(data)
        self._apply(data)

    def _apply(self, data: dict[str, Any]) -> None:
        if data["action"] in ("labelled", "deleted"):
            self._page.after("labels", SOON_S, lambda: self._page.start(self.recount))
        if data["action"] == "labelled":
            self._labelled_elsewhere(data)
        elif data["action"] == "added":
            self.source.none_at_all = False
            self.rows.say_empty(self.source.nothing)
            if self.source.takes_new and len(data["clips"]) <= MOST_ADDED:
                self._page.start(self._add, data["clips"], group=f"add {data['clips'][0]}")
        elif data["action"] == "deleted":
            self.rows.drop(set(data["clips"]))
            self._page.describe()
            self._page.look_soon()

    def _labelled_elsewhere(self, data: dict[str, Any]) -> None:
        """By another client, or by this one: what it gave since is newer than the event."""
        page = self._page
        if data["count"] > len(data["clips"]):
            page.after("load", SOON_S, page.reload)
            return
        waiting = page.labelling.waiting
        labels = {clip: data["label"] for clip in data["clips"] if clip not in waiting}
        _, absent = self.rows.relabel(labels, leave=self.source.leaves)
        back = data["label"] is None and self.source.leaves and self.source.takes_new
        if back and 0 < len(absent) <= MOST_ADDED:
            page.start(self._add, absent, group=f"add {absent[0]}")
        elif back and absent:
            page.after("load", SOON_S, page.reload)
        page.describe()
        page.look_soon()

    async def _add(self, clips: list[int]) -> None:
        for identifier in clips:
            waiting = self._page.labelling.waiting
            clip = await self._page.box.get(f"/clips/{identifier}")
            for shown in self._as_shown([clip], waiting):
                if self.rows.add_first(shown) and self.count is not None:
                    self.count += 1
        self._page.describe()
