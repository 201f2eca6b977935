"""Detections as they come, the newest first, with what a person said about them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from textual.content import Content

from tui.draw import fit
from tui.widgets.rows import Row, Rows

MOST = 200


class DetectionRows(Rows):
    """`update_all` with the items of `GET /detections`, `put` for each that comes or changes."""

    def __init__(self, name_of: Callable[[str], str], **rest: Any) -> None:
        super().__init__("Nothing was detected yet.", head="Detections", follow_top=True, **rest)
        self._name_of = name_of
        self._known: dict[int, dict[str, Any]] = {}
        self._told: dict[int, dict[str, Any]] = {}

    def expect(self) -> None:
        """`update_all` will follow: what `put` says from now on is newer than that."""
        self._told.clear()

    def update_all(self, items: Sequence[dict[str, Any]]) -> None:
        self._known = {item["id"]: item for item in items} | self._told
        self._show()

    def put(self, item: dict[str, Any]) -> None:
        """A new one, or another state of a known one."""
        self._told[item["id"]] = item
        self._known[item["id"]] = item
        for identifier in sorted(self._known)[:-MOST]:
            del self._known[identifier]
            self._told.pop(identifier, None)
        self._show()

    def renamed(self) -> None:
        """A microphone has another name, or was removed."""
        self._show()

    @property
    def selected(self) -> dict[str, Any] | None:
        """The detection under the cursor."""
        return None if self.current is None else self._known.get(self.current.key)

    @property
    def meant(self) -> dict[str, Any] | None:
        """The one that a key is for; the cursor goes there when a new one had just pushed it
        away."""
        if (before := self.slid) is not None:
            self.go_to(before)
        return self.selected

    def on_resize(self) -> None:
        super().on_resize()
        self._show()

    def _show(self) -> None:
        newest = sorted(self._known.values(), key=lambda item: -int(item["id"]))
        self.show([Row(item["id"], self._content(item)) for item in newest])

    def _content(self, item: dict[str, Any]) -> Content:
        began = time.strftime("%H:%M:%S", time.localtime(item["started_at"]))
        # 10 and 7 cells of time and score, 2 for the mark, 12 for the review.
        room = max(8, self.size.width - 2 - 10 - 7 - 14)
        label_width = min(24, room if room < 24 else room * 2 // 3)
        where = f" {fit(self._name_of(item['microphone']), room - label_width - 1)}"
        sounding = item["ended_at"] is None
        return Content.assemble(
            f"{began}  ",
            (fit(item["label"], label_width), "bold"),
            f" {100 * item['score']:3.0f} % ",
            where if room - label_width > 6 else "",
            ("~ " if sounding else "  ", "$accent"),
            _review(item),
        )


def _review(item: dict[str, Any]) -> tuple[str, str]:
    if item.get("waits"):
        return "… sending", "$secondary"
    if item["review"] == "confirmed":
        return "✓ right", "$success"
    if item["review"] == "refuted":
        really = item["review_label"]
        return (f"✗ {really}" if really else "✗ wrong"), "$error"
    if item.get("no_clip") == "speech":
        return "∅ speech", "$secondary"
    return "", ""
