"""The training that runs: how far it is, how well it learns, how the device bears it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.content import Content
from textual.widgets import Static

from appliance.text import percent, safe
from appliance.units import human_duration
from tui.draw import bar
from tui.widgets.curve import Curve

MOST_POINTS = 2000
STAYS = "It goes on when you leave this screen or the program."


class JobPanel(Vertical):
    """`begin(job, points)` for another job, `tell(job)` for each sign of life of the same one."""

    DEFAULT_CSS = """
    JobPanel { height: 1fr; width: 1fr; }
    JobPanel #job-words { height: auto; padding: 0 1; }
    JobPanel #curves { height: 1fr; }
    """

    def __init__(self, **rest: Any) -> None:
        super().__init__(**rest)
        self._job: Mapping[str, Any] | None = None
        self._points: list[Mapping[str, Any]] = []
        self._device = ""

    def compose(self) -> ComposeResult:
        yield Static(id="job-words")
        with Horizontal(id="curves"):
            yield Curve("loss", id="loss")
            yield Curve("accuracy", "{:.0%}", id="accuracy")

    @property
    def job(self) -> int | None:
        """Which one is shown."""
        return None if self._job is None else int(self._job["id"])

    def begin(self, job: Mapping[str, Any] | None, points: Sequence[Mapping[str, Any]]) -> None:
        """Show `job` (or that there is none), with what it has said so far."""
        self._job = job
        self._points = list(points)
        self._show()

    def tell(self, job: Mapping[str, Any]) -> None:
        """What the same job says now."""
        self._job = job
        if job["progress"]:
            self._points = [*self._points, job["progress"]][-MOST_POINTS:]
        self._show()

    def device(self, board: Mapping[str, Any] | None) -> None:
        """Temperatures and power mode, where the board has them."""
        self._device = _device_words(board or {})
        self._show()

    def _show(self) -> None:
        self.query_one("#job-words", Static).update(self._words())
        self.query_one("#curves").display = self._job is not None
        own = own_training(self._points)
        self.query_one("#loss", Curve).show([point.get("loss") for point in own])
        self.query_one("#accuracy", Curve).show([point.get("accuracy") for point in own])

    def _words(self) -> Content:
        job = self._job
        if job is None:
            return Content("No training runs.")
        progress = job["progress"] or {}
        why = job["reason"] if job["reason"] != job["state"] else None
        head = Content.assemble(
            (f"Training {job['id']} on {safe(job['dataset_version'])}", "bold"),
            f"  {job['state']}{': ' + why if why else ''}",
        )
        lines = [head]
        if job["state"] in ("completed", "failed", "cancelled"):
            took = f"after {human_duration(job['used_s'])}" if job["used_s"] else ""
            kept = f"{job['version']} is on F5." if job["version"] else "No version came of it."
            lines.append(Content(f"Ended {took}. {kept} {safe(job['detail'] or '')}".strip()))
        else:
            fraction = progress.get("fraction", 0.0)
            left = progress.get("eta_s")
            words = f" {100 * fraction:.0f} %"
            if left:
                words += f", about {human_duration(left)} left"
            words += f" (limit {human_duration(job['limit_s'])})"
            lines.append(Content.assemble((bar(fraction, 24), "$accent"), words))
            now = [safe(progress["phase"])] if progress.get("phase") else []
            if progress.get("steps"):
                now.append(f"step {progress['step']} of {progress['steps']}")
            if progress.get("accuracy") is not None:
                now.append(f"accuracy {percent(progress['accuracy'])}")
            lines.append(Content(" · ".join(now)))
            if self._device:
                lines.append(Content(self._device))
            lines.append(Content.assemble((STAYS, "$secondary")))
        return Content("\n").join(lines)


def own_training(points: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The points of the version's own training: the networks that only judge come after it, and
    count their steps from the beginning again."""
    kept: list[Mapping[str, Any]] = []
    last = 0
    for point in points:
        step = point.get("step") or 0
        if step < last:
            break
        if point.get("loss") is not None or point.get("accuracy") is not None:
            kept.append(point)
        last = step
    return kept


def _device_words(board: Mapping[str, Any]) -> str:
    warm = [zone for zone in board.get("temperatures") or [] if zone.get("celsius") is not None]
    words = []
    if warm:
        hottest = max(warm, key=lambda zone: float(zone["celsius"]))
        words.append(f"{safe(hottest['name'])} {hottest['celsius']:.0f} °C")
    if board.get("throttled"):
        words.append(f"! slowed down: {safe(', '.join(board['throttled']))}")
    if mode := board.get("power_mode"):
        words.append(f"power mode {safe(mode['name'])}")
    if board.get("watts") is not None:
        words.append(f"{board['watts']:.1f} W")
    return " · ".join(words)
