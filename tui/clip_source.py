"""Which clips the Label screen shows, and how they are fetched, a page at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from appliance.errors import EarmarkError
from tui.filters import parse

PAGE = 200
NAMED = 50
"""Clips that are known by their ids come one by one: so many make a page."""
NO_CLIP = "No clip yet: record on F2, or `earmark import FOLDER`."
RENEWED_PAGES = 10
"""So many are fetched again after a reconnection; what was loaded below them stays as it was."""


class Box(Protocol):
    async def get(self, path: str, **params: Any) -> Any: ...


class Found(NamedTuple):
    """Clips, and the cursor of the page behind them: None when they are the last."""

    items: list[dict[str, Any]]
    cursor: str | None


class ClipSource:
    """The inbox or all clips, through a filter; or exactly the clips `only`."""

    def __init__(self) -> None:
        self.inbox = True
        self.text = self.wrong = ""
        self.only: Sequence[int] | None = None
        self.microphones: Mapping[str, str] = {}
        self.none_at_all = False
        """The box has no clip, as far as was looked."""

    @property
    def question(self) -> object:
        """Equal as long as the same list is wanted."""
        return self.inbox, self.text, self.only

    @property
    def leaves(self) -> bool:
        """Whether a clip that gets a label goes from the list."""
        return self.inbox and self.only is None

    @property
    def takes_new(self) -> bool:
        """Whether clips that have just come belong to the list."""
        return not self.text and self.only is None

    @property
    def title(self) -> str:
        if self.only is not None:
            return "Chosen clips"
        return "Inbox" if self.inbox else "All clips"

    @property
    def nothing(self) -> str:
        """What is said when there is no clip."""
        if self.only is not None:
            return "None of these clips is on this box any more.\nEscape shows all clips."
        if self.text:
            return "No clip is like that.\nEscape shows all of them again."
        if self.inbox:
            if self.none_at_all:
                return NO_CLIP
            return "The inbox is empty: every clip has a label.\ni shows all clips."
        return NO_CLIP

    async def first(self, box: Box, at_least: int = 0) -> Found:
        """The first page, and more of them until `at_least` so many clips are there."""
        items, cursor = await self.page(box, None)
        for _ in range(RENEWED_PAGES - 1):
            if cursor is None or len(items) >= at_least:
                break
            further, cursor = await self.page(box, cursor)
            items += further
        if self.inbox and not items and not self.text:
            self.none_at_all = not (await box.get("/clips", limit=1))["items"]
        return Found(items, cursor)

    async def count(self, box: Box) -> int | None:
        """How many clips there are in all, where the daemon knows without counting."""
        if not self.leaves or self.text:
            return None
        return int((await box.get("/inbox/summary"))["clips"])

    async def page(self, box: Box, cursor: str | None) -> Found:
        """The page at `cursor`; None is the first."""
        if self.only is not None:
            return await self._named(box, int(cursor or 0), self.only)
        path, params = self._asked()
        items: list[dict[str, Any]] = []
        # A page may be empty and still not be the last.
        for _ in range(20):
            page = await box.get(path, limit=PAGE, cursor=cursor, **params)
            items += page["items"]
            cursor = page["next"]
            if cursor is None or len(items) >= PAGE // 2:
                break
        return Found(items, cursor)

    def _asked(self) -> tuple[str, dict[str, Any]]:
        wanted = parse(self.text, self.microphones)
        self.wrong = wanted.wrong
        params = dict(wanted.params)
        if "label" in params:
            params.pop("unlabelled", None)
        if self.inbox and set(params) <= {"label", "microphone"}:
            return "/inbox", params
        if self.inbox and "label" not in params:
            params["unlabelled"] = True
        return "/clips", params

    async def _named(self, box: Box, first: int, only: Sequence[int]) -> Found:
        items = []
        for identifier in only[first : first + NAMED]:
            try:
                items.append(await box.get(f"/clips/{identifier}"))
            except EarmarkError as error:
                if getattr(error, "status", 0) != 404:
                    raise
        behind = first + NAMED
        return Found(items, str(behind) if behind < len(only) else None)
