"""May training start? A bar a class, and what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from textual.content import Content

from tui.draw import bar, fit
from tui.widgets.rows import Row, Rows


class ReadinessRows(Rows):
    """`update_all` with the answer of `GET /readiness`. Full is what is needed; more clips than
    that fill the bar no further, the number says them."""

    def __init__(self, **rest: Any) -> None:
        super().__init__("No label yet: record or import sounds\nand label them on F3.", **rest)
        self._readiness: Mapping[str, Any] | None = None

    def update_all(self, readiness: Mapping[str, Any]) -> None:
        self._readiness = readiness
        self._show()

    def on_resize(self) -> None:
        super().on_resize()
        self._show()

    def _show(self) -> None:
        if self._readiness is None:
            return
        classes = self._readiness["classes"]
        # What is missing comes first; labels without clips do no harm and come last.
        order = sorted(classes, key=lambda one: (not one["clips"], one["ready"], one["label"]))
        width = self.size.width
        label_width = max(10, min(24, width - 32))  # 2 of the cursor, 6 of the bar, 22 of words
        self.show([Row(one["label"], self._content(one, label_width)) for one in order])

    @staticmethod
    def _content(one: Mapping[str, Any], label_width: int) -> Content:
        clips, needed = one["clips"], one["needed"]
        if one["ready"]:
            words, colour = f"✓ {clips} clips", "$success"
        elif clips:
            words, colour = f"! {clips} of {needed}: {needed - clips} more", "$warning"
        else:
            words, colour = "- no clips, left out", "$secondary"
        return Content.assemble(
            fit(one["label"], label_width), " ", (bar(clips / needed, 6), colour), f" {words}"
        )
