"""How soon does a key in the list of clips answer, with 100,000 clips in a real daemon?

    .venv/bin/python benchmarks/tui_list.py [--clips 100000] [--keys 400] [--json]

Through Textual's pilot on the Label screen, with all clips shown and several pages of them scrolled
through. A key is answered when the screen that shows it has been drawn and turned into what goes to
the terminal. The pilot itself sleeps at least twice 20 ms after each key, so its return says
nothing. A library of 100 clips shows what the machine costs by itself. Goals: 50 ms at the 95th
percentile, 150 MB.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from box import daemon
from library import Library
from rich.console import RenderableType
from textual._compositor import CompositorUpdate
from textual.screen import Screen

from tui.app import EarmarkApp
from tui.widgets.clip_rows import ClipRows

GOAL_MS, GOAL_MB = 50.0, 150.0
KEYS = ("down", "down", "pagedown", "up", "space", "down", "pagedown", "n", "v", "escape")


def fill(folder: str, clips: int) -> None:
    Library(Path(folder), clips).db.close()


class TimedApp(EarmarkApp):
    """Notes when the list was drawn with another cursor or other marks than before."""

    rows: ClipRows | None = None
    shown: object = None
    drawn: float | None = None

    def _display(self, screen: Screen[Any], renderable: RenderableType | None) -> None:
        super()._display(screen, renderable)
        if self.rows is None or not isinstance(renderable, CompositorUpdate):
            return
        renderable.render_segments(self.console)  # without a terminal the app leaves this out
        state = self.rows.clip, frozenset(self.rows.marked)
        if state != self.shown:
            self.shown, self.drawn = state, time.perf_counter()


async def measure(data: Path, keys: int) -> dict[str, Any]:
    app = TimedApp(data=data)
    async with app.run_test(size=(140, 45)) as pilot:
        while not app.box.connected:
            await pilot.pause(0.05)
        await pilot.press("f3")
        while not app.screen.query(ClipRows):
            await pilot.pause(0.05)
        rows = app.screen.query_one(ClipRows)
        await pilot.press("i")
        while not any(clip.label for clip in rows.clips):
            await pilot.pause(0.05)
        await pilot.press("down")
        app.rows = rows
        await pilot.press("up")
        taken = []
        for number in range(keys):
            app.drawn, began = None, time.perf_counter()
            await pilot.press(KEYS[number % len(KEYS)])
            if app.drawn is not None:  # a key that changes nothing has nothing to show
                taken.append((app.drawn - began) * 1000)
        assert len(taken) > keys / 4, f"only {len(taken)} of {keys} keys changed anything"
        known = len(rows.rows)
    cuts = statistics.quantiles(taken, n=100)
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    return {"median_ms": cuts[49], "p95_ms": cuts[94], "rows": known, "memory_mb": memory}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--keys", type=int, default=400)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    found = {}
    for clips in (100, options.clips):
        with tempfile.TemporaryDirectory() as name:
            # In a process of its own: what it holds is none of the screen's memory.
            made = multiprocessing.get_context("spawn").Process(target=fill, args=(name, clips))
            made.start()
            made.join()
            with daemon(Path(name)):
                found[clips] = asyncio.run(measure(Path(name), options.keys))
        if not options.json:
            row = found[clips]
            print(
                f"{clips:>7} clips, {row['rows']} scrolled through: "
                f"median {row['median_ms']:.1f} ms, "
                f"p95 {row['p95_ms']:.1f} ms, {row['memory_mb']:.0f} MB"
            )
    large = found[options.clips]
    passed = large["p95_ms"] <= GOAL_MS and large["memory_mb"] <= GOAL_MB
    if options.json:
        print(json.dumps({"found": found, "passed": passed}))
    else:
        print("goal reached" if passed else "goal missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
