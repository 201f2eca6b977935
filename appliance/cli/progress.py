"""Progress with percent, speed and time left: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any

from appliance.cli.output import console
from appliance.units import human_duration

PLAIN_EVERY_S = 5.0
# What takes long needs no line every five seconds in a log.
LATER_EVERY_S = 30.0
LATER_S = 120.0


class Progress:
    """Shown on standard error, so that standard output holds the answer alone.

    `quiet` shows nothing (for `--json`). `total` may be set later.
    """

    def __init__(self, what: str, total: int, unit: str = "files", *, quiet: bool = False) -> None:
        self.what = what
        self.total = total
        self.unit = unit
        self._quiet = quiet
        self._began = time.monotonic()
        self._said = self._began
        self._bar: Any = None
        self._task: Any = None

    def __enter__(self) -> Progress:
        if not self._quiet and sys.stderr.isatty():
            from rich.progress import BarColumn, TextColumn
            from rich.progress import Progress as RichProgress

            self._bar = RichProgress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=None),
                TextColumn("{task.percentage:3.0f} %"),
                TextColumn("{task.fields[words]}"),
                console=console(stderr=True),
                transient=True,
                expand=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(self.what, total=self.total or 1, words="")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None

    def update(self, done: float, words: str = "") -> None:
        """`done` of `total`; `words` stand beside it."""
        self.words(done, " · ".join(part for part in (self.pace(done), words) if part))

    def words(self, done: float, shown: str, *, now: bool = False) -> None:
        """As `update`, with the words alone beside it; `now` is said at once everywhere."""
        if self._quiet:
            return
        if self._bar is not None:
            self._bar.update(self._task, completed=done, total=self.total or 1, words=shown)
            return
        moment = time.monotonic()
        pause = PLAIN_EVERY_S if moment - self._began < LATER_S else LATER_EVERY_S
        if now or moment - self._said >= pause:
            self._said = moment
            share = 100 * done / self.total if self.total else 100.0
            console(stderr=True).print(f"{self.what}: {share:.0f} % · {shown}", soft_wrap=True)

    def pace(self, done: float) -> str:
        """`150 of 400 files · 52 files/s · 5 s left`."""
        passed = time.monotonic() - self._began
        parts = [f"{done:.0f} of {self.total} {self.unit}"]
        if done > 0 and passed > 0.5:
            speed = done / passed
            parts.append(
                f"{speed:.0f} {self.unit}/s" if speed >= 1 else f"{speed:.2f} {self.unit}/s"
            )
            if done < self.total:
                parts.append(f"{human_duration((self.total - done) / speed)} left")
        return " · ".join(parts)
