"""The microphones, a line each: name, state, level meter, lost frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from textual.content import Content

from tui.draw import fit, level
from tui.widgets.rows import Row, Rows

LEAST_NAME, MOST_NAME = 16, 32
GOOD = ("running", "starting")


class MicrophoneRows(Rows):
    """`update(views)` with the items of `GET /microphones`; `levels(...)` with the event
    `spectrum`, several times a second, changes only the meters."""

    DEFAULT_CSS = """
    MicrophoneRows { height: auto; max-height: 5; }
    """

    def __init__(self, **rest: Any) -> None:
        super().__init__("No microphone is set up: add one on F6 Device.", **rest)
        self._views: list[dict[str, Any]] = []
        self._names: dict[Any, str] = {}
        """Also of those that were removed since."""

    def get_content_height(self, *_: Any) -> int:
        return max(1, len(self._views))

    def update_views(self, views: Sequence[dict[str, Any]]) -> None:
        """These are the microphones, and this is how they are."""
        self._names.update((view["id"], str(view["name"])) for view in views)
        grown = len(views) != len(self._views)
        self._views = [dict(view, status=dict(view["status"])) for view in views]
        if grown:
            self.refresh(layout=True)
        self._show()

    def change(self, what: str, view: dict[str, Any]) -> None:
        """One of them was added, changed or removed, or has another state."""
        rest = [known for known in self._views if known["id"] != view["id"]]
        if what != "removed":
            rest.append(view)
        self.update_views(sorted(rest, key=lambda known: str(known["name"])))

    def levels(self, microphones: Mapping[str, Mapping[str, Any]]) -> None:
        """level_dbfs, peak_dbfs, lost_frames and state by id, as the event `spectrum` has them."""
        for view in self._views:
            if heard := microphones.get(view["id"]):
                for key in ("level_dbfs", "peak_dbfs", "lost_frames", "state"):
                    view["status"][key] = heard[key]
        self._show()

    @property
    def silent(self) -> str:
        """Why nothing is heard of the microphone under the cursor: its state; empty when it
        runs."""
        status = self.current.data["status"] if self.current is not None else None
        return "" if status is None or status["state"] in GOOD else str(status["state"])

    @property
    def selected(self) -> str | None:
        """The id of the microphone under the cursor."""
        return None if self.current is None else str(self.current.key)

    def name_of(self, key: Any) -> str:
        return self._names.get(key, str(key))

    def on_resize(self) -> None:
        super().on_resize()
        self._show()

    def first_heard(self) -> None:
        """Put the cursor on one that is listened to, or at least runs, unless it is on one."""
        running = [view for view in self._views if view["status"]["state"] in GOOD]
        best = [view["id"] for view in running if view["listen"]] or [
            view["id"] for view in running
        ]
        if best and self.selected not in best:
            self.go_to(best[0])

    def _show(self) -> None:
        self.show([Row(view["id"], self._content(view), view) for view in self._views])

    def _content(self, view: Mapping[str, Any]) -> Content:
        status = view["status"]
        width = name_width(self._views, self.size.width)
        name, state = fit(view["name"], width), str(status["state"])
        if state not in GOOD:
            why = f"{status['detail'] or ''}  {status['advice'] or ''}".strip()
            mark = "" if state in ("stopped", "ended") else "! "
            return Content.assemble(name, " ", (f"{mark}{state}", "bold $warning"), f"  {why}")
        room = max(8, min(48, self.size.width - width - 46))
        flags = "" if view["listen"] else "not listened to"
        lost = status["lost_frames"]
        return Content.assemble(
            name,
            f" {state:8} ",
            level(status["level_dbfs"], status["peak_dbfs"], room),
            f" {status['level_dbfs']:4.0f} dB  ",
            (f"{lost} frames lost" if lost else "none lost", "$warning" if lost else ""),
            f"  {flags}" if flags else "",
        )


def name_width(views: Sequence[Mapping[str, Any]], room: int) -> int:
    """Cells for the names: as many as the longest needs, where the window has them."""
    longest = max((cell_len(str(view["name"])) for view in views), default=0)
    return max(LEAST_NAME, min(longest, MOST_NAME, room // 4))
