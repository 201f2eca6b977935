"""Microphones to record from: chosen or not, the level, and the one that starts a trigger."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.content import Content

from appliance.text import count
from tui.draw import LOWEST_DBFS, fit, level
from tui.widgets.microphone_rows import GOOD, name_width
from tui.widgets.rows import Row, Rows


class RecordRows(Rows):
    """`know(views, triggers)` with GET /microphones and, by id, GET /microphones/{id}/trigger."""

    DEFAULT_CSS = """
    RecordRows { height: auto; max-height: 8; }
    """

    def __init__(self, **rest: Any) -> None:
        super().__init__("No microphone is set up: add one on F6 Device.", **rest)
        self._views: list[dict[str, Any]] = []
        self._triggers: dict[str, Any] = {}
        self._chosen: set[str] = set()

    def get_content_height(self, *_: Any) -> int:
        return max(1, len(self._views))

    def know(self, views: Sequence[dict[str, Any]], triggers: Mapping[str, Any]) -> None:
        grown = len(views) != len(self._views)
        self._views, self._triggers = list(views), dict(triggers)
        self._chosen &= {view["id"] for view in views}
        if grown:
            self.refresh(layout=True)
        self._show()

    def levels(self, microphones: Mapping[str, Mapping[str, Any]]) -> None:
        """As the event `spectrum` has them."""
        for view in self._views:
            if heard := microphones.get(view["id"]):
                view["status"].update(level_dbfs=heard["level_dbfs"], peak_dbfs=heard["peak_dbfs"])
        self._show()

    @property
    def triggered(self) -> bool:
        """Whether any of them records by itself."""
        return bool(self._triggers)

    @property
    def view(self) -> dict[str, Any] | None:
        """The microphone under the cursor."""
        return None if self.current is None else self.current.data

    def mark(self) -> None:
        """Choose the microphone under the cursor, or not."""
        if self.current is not None:
            self._chosen ^= {str(self.current.key)}
            self._show()

    def meant(self) -> list[str]:
        """Ids of the chosen ones, else of the one under the cursor."""
        if self._chosen:
            return [view["id"] for view in self._views if view["id"] in self._chosen]
        return [] if self.view is None else [self.view["id"]]

    def on_resize(self) -> None:
        super().on_resize()
        self._show()

    def _show(self) -> None:
        self.show([Row(view["id"], self._content(view), view) for view in self._views])

    def _content(self, view: Mapping[str, Any]) -> Content:
        status = view["status"]
        chosen = "[x] " if view["id"] in self._chosen else "[ ] "
        width = name_width(self._views, self.size.width)
        name, state = fit(view["name"], width), str(status["state"])
        if state not in GOOD:
            why = f"{status['detail'] or ''}  {status['advice'] or ''}".strip()
            return Content.assemble(chosen, name, " ", (f"! {state}", "bold $warning"), f"  {why}")
        # 2 of the cursor, 4 of the choice, 9 of the level, 28 of the longest words.
        room = max(8, min(40, self.size.width - width - 45))
        meter = level(status["level_dbfs"], status["peak_dbfs"], room)
        trigger = self._triggers.get(view["id"])
        words = "trigger off"
        if trigger is not None:
            opens = trigger["trigger_dbfs"]
            if opens is not None:
                place = round(min(max(1 - opens / LOWEST_DBFS, 0.0), 1.0) * (room - 1))
                meter = Content.assemble(meter[:place], (">", "bold $accent"), meter[place + 1 :])
            words = f"trigger at {opens:.0f} dB" if opens is not None else "trigger on"
            words += (
                ", recording" if trigger["recording"] else f", {count(trigger['clips'], 'clip')}"
            )
        now = f" {status['level_dbfs']:4.0f} dB  "
        return Content.assemble(chosen, name, " ", meter, now, words)
