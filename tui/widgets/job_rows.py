"""The queue and the trainings before, a line each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from textual.content import Content

from appliance.units import human_duration
from tui.draw import fit
from tui.widgets.rows import Row, Rows

ENDED = ("completed", "failed", "cancelled")
IN_SLOT = ("starting", "running", "paused")
_COLOURS = {"completed": "$success", "failed": "$error", "running": "$accent"}


class JobRows(Rows):
    """`update_all` with the items of `GET /jobs`, `put` for each that moved."""

    def __init__(self, **rest: Any) -> None:
        head = f"{'job':>4} {'state':<10} {'dataset':<14} {'what':<30}"
        super().__init__("No training yet.", head=head, **rest)
        self._known: dict[int, dict[str, Any]] = {}
        self._told: dict[int, dict[str, Any]] = {}

    def expect(self) -> None:
        """`update_all` will follow: what `put` says from now on is newer than that."""
        self._told.clear()

    def update_all(self, items: Sequence[dict[str, Any]]) -> None:
        self._known = {item["id"]: item for item in items} | self._told
        self._show()

    def get(self, identifier: int) -> dict[str, Any] | None:
        """That job as it is now."""
        return self._known.get(identifier)

    def put(self, item: dict[str, Any]) -> None:
        """One has moved, or says how far it is."""
        self._known[item["id"]] = self._told[item["id"]] = item
        self._show()

    @property
    def selected(self) -> dict[str, Any] | None:
        """The job under the cursor."""
        return None if self.current is None else self._known.get(self.current.key)

    @property
    def running(self) -> dict[str, Any] | None:
        """The job that holds the slot."""
        return next((job for job in self._known.values() if job["state"] in IN_SLOT), None)

    @property
    def latest(self) -> dict[str, Any] | None:
        """The one that ended last."""
        ended = [job for job in self._known.values() if job["state"] in ENDED]
        return max(ended, key=lambda job: job["ended_at"] or 0, default=None)

    def _show(self) -> None:
        # As it will go: what runs, what waits in its order, what ended, the newest first.
        def order(job: dict[str, Any]) -> tuple[int, int]:
            if job["state"] in IN_SLOT:
                return 0, 0
            if job["state"] == "queued":
                return 1, job["position"] or 10**9
            return 2, -int(job["id"])

        jobs = sorted(self._known.values(), key=order)
        self.show([Row(job["id"], _content(job)) for job in jobs])


def _content(job: dict[str, Any]) -> Content:
    return Content.assemble(
        f"{job['id']:>4} ",
        (f"{job['state']:<10}", _COLOURS.get(job["state"], "")),
        f" {fit(job['dataset_version'], 14)} {_what(job)}",
    )


def _what(job: dict[str, Any]) -> str:
    if job["state"] == "queued":
        place = f"number {job['position']}" if job["position"] else "waits"
        if job["expected_start"]:
            begin = time.strftime("%H:%M", time.localtime(job["expected_start"]))
            place += f", starts about {begin}"
        return place + (f" ({job['reason']})" if job["reason"] else "")
    if job["state"] in IN_SLOT:
        progress = job["progress"] or {}
        left = f", {human_duration(progress['eta_s'])} left" if progress.get("eta_s") else ""
        return f"{100 * progress.get('fraction', 0):.0f} %{left}"
    took = f" after {human_duration(job['used_s'])}" if job["used_s"] else ""
    version = f"{job['version']}: " if job["version"] else ""
    return f"{version}{job['reason'] or ''}{took}; {job['detail'] or ''}".rstrip("; ")
