"""The versions, a line each."""

from __future__ import annotations

import time
from collections.abc import Collection, Sequence
from typing import Any

from textual.content import Content

from appliance.text import safe
from tui.draw import fit
from tui.widgets.rows import Row, Rows


class VersionRows(Rows):
    """`update_all` with the items of `GET /versions`; `mark` for comparing."""

    def __init__(self, **rest: Any) -> None:
        head = (
            f"  {'name':<6}{'accuracy':>9}{'F1':>8}  {'state':<10}"
            f"{'dataset':<16}{'made':<17}{'note'}"
        )
        super().__init__("No version yet: train one on F4.", head=head, **rest)
        self._items: list[dict[str, Any]] = []
        self._marked: str | None = None
        self._shadow = ""

    def update_all(self, items: Sequence[dict[str, Any]]) -> None:
        """These are the versions."""
        if len(items) != len(self._items):
            self.refresh(layout=True)
        self._items = list(items)
        self._show()

    def shadow(self, name: str) -> None:
        """The version that listens silently beside the deployed one, or ""."""
        if name != self._shadow:
            self._shadow = name
            self._show()

    def get_content_height(self, *_: Any) -> int:
        return 1 + max(1, len(self._items))

    def mark(self, name: str | None) -> None:
        """The one that others are compared with."""
        self._marked = None if name == self._marked else name
        self._show()

    @property
    def marked(self) -> str | None:
        return self._marked

    @property
    def names(self) -> Collection[str]:
        return [item["name"] for item in self._items]

    @property
    def selected(self) -> dict[str, Any] | None:
        """The version under the cursor."""
        row = self.current
        return None if row is None else next(v for v in self._items if v["name"] == row.key)

    def _show(self) -> None:
        self.show([Row(item["name"], self._content(item)) for item in self._items])

    def _content(self, item: dict[str, Any]) -> Content:
        state = "listens" if item["state"] == "deployed" else item["state"]
        if item["name"] == self._shadow:
            state = "shadow"
        optimistic = safe(item.get("optimistic") or "")
        made = time.strftime("%Y-%m-%d %H:%M", time.localtime(item["created_at"]))
        return Content.assemble(
            ("+ " if item["name"] == self._marked else "  ", "bold $accent"),
            (f"{item['name']:<6}", "bold"),
            f"{_share(item['accuracy']):>9}{_share(item['macro_f1']):>8}",
            ("! " if optimistic else "  ", "bold $warning"),
            (f"{state:<10}", "$success" if state == "listens" else ""),
            f"{fit(item['dataset_version'] or 'imported', 15)} {made} ",
            (f"optimistic: {optimistic} " if optimistic else "", "$warning"),
            item["note"],
        )


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f} %"
