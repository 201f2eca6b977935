"""The five sounds that a microphone most probably hears now, below every threshold too; under
them what was not reported, and why."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from textual.content import Content

from appliance.text import safe
from tui.draw import bar, fit
from tui.widgets.rows import Row, Rows

TOP = 5
REFUSED = 3
NOTHING = "nothing is heard yet"


class Hearing(Rows):
    """`hear(entry)` with one microphone's part of `GET /hearing`."""

    DEFAULT_CSS = """
    Hearing { width: 36%; min-width: 36; max-width: 56; height: 1fr; padding: 0 1 0 0; }
    """

    def __init__(self, **rest: Any) -> None:
        super().__init__(NOTHING, head="Hears now", cursor=False, **rest)

    def hear(self, name: str, entry: Mapping[str, Any] | None, silent: str = "") -> None:
        """What `name` hears. `*` marks what is above its threshold and being reported. silent:
        the state of a microphone that hears nothing: its last scores are old then."""
        self.head(f"Hears now: {name}" if name else "Hears now")
        self.say_empty(f"nothing: it is {silent}" if silent else NOTHING)
        entry = None if silent else entry
        top = entry["top"][:TOP] if entry else []
        # Those near nothing would change places all the time.
        top = sorted(top, key=lambda one: (-round(one["score"], 2), one["label"]))
        active = set(entry["active"]) if entry else set()
        width = max(20, self.size.width - 2)
        label_width = (width - 8) // 2
        bar_width = width - 8 - label_width
        rows = []
        for place, one in enumerate(top):
            sounding = one["label"] in active
            content = Content.assemble(
                ("*" if sounding else " ", "bold $accent"),
                (fit(one["label"], label_width), "bold $accent" if sounding else ""),
                " ",
                (bar(one["score"], bar_width), "$accent" if sounding else "$primary"),
                f"{100 * one['score']:4.0f} %",
            )
            rows.append(Row(place, content))
        if entry is not None and top:
            rows += self._refused(entry)
        self.show(rows)

    def _refused(self, entry: Mapping[str, Any]) -> list[Row]:
        """The last candidates that were not reported; and that the microphone has moved."""
        rows = []
        drift = entry.get("drift") or {}
        if drift.get("advice"):
            words = Content.assemble((f" ! {safe(drift['advice'])}", "$warning"))
            rows.append(Row("drift", words))
        refused = (entry.get("rejected") or [])[::-1][:REFUSED]
        if refused:
            rows.append(Row("refused", Content.assemble((" not reported:", "$secondary"))))
        for place, one in enumerate(refused):
            when = time.strftime("%H:%M:%S", time.localtime(one["at"]))
            line = f" {when} {safe(one['label'])}: {safe(one['reason'])}"
            rows.append(Row(f"refused {place}", Content(line)))
        return rows
