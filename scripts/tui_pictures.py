"""Write pictures of the terminal UI's screens, docs/pictures/tui-*.svg, from a real run.

    make screenshots

A box learns the demo's household sounds, listens to a scene of them, and the UI runs in front of
it at two sizes. It takes a few minutes, most of them for the training.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import soundfile
from textual.pilot import Pilot

from appliance.client import Client
from appliance.demo.box import Box
from appliance.demo.signals import add_at
from appliance.demo.sounds import EVENTS
from appliance.demo.surroundings import quiet_room
from tui.app import EarmarkApp
from tui.page import Page
from tui.pages import PAGES

PICTURES = Path(__file__).resolve().parent.parent / "docs" / "pictures"
SIZES = ((80, 24), (140, 45))
RATE = 48_000
TIMES = 6
# Time for the sweep of Listen to draw most of a window.
LOOK_S = 40.0


def sounds(folder: Path) -> dict[str, list[Path]]:
    """TIMES files of each of the demo's events, and of a quiet room."""
    made: dict[str, list[Path]] = {}
    for label, draw in (*EVENTS.items(), ("background", None)):
        for number in range(TIMES):
            rng = np.random.default_rng([number, len(made)])
            sound = np.asarray(quiet_room(rng, 3 * RATE, RATE)) * 0.01
            if draw is not None:
                add_at(sound, np.asarray(draw(rng, RATE))[: 2 * RATE] * 0.5, RATE // 2)
            path = folder / f"{label}-{number}.wav"
            soundfile.write(path, sound.astype(np.float32), RATE)
            made.setdefault(label, []).append(path)
    return made


def scene(path: Path) -> None:
    """A minute of a quiet room with an event every five seconds."""
    rng = np.random.default_rng(99)
    sound = np.asarray(quiet_room(rng, 60 * RATE, RATE)) * 0.01
    for place, draw in enumerate([*EVENTS.values()] * 2):
        add_at(sound, np.asarray(draw(rng, RATE))[: 3 * RATE] * 0.5, (2 + 5 * place) * RATE)
    soundfile.write(path, sound.astype(np.float32), RATE)


def teach(client: Client, root: Path) -> None:
    for label, files in sounds(root).items():
        client.upload("/clips", files, {"label": label})
    job = client.post("/jobs", {"max_minutes": 6})
    while client.get(f"/jobs/{job['id']}")["ended_at"] is None:
        time.sleep(1)
    client.post("/deployments", {"version": "V001"})
    scene(root / "scene.wav")
    source = f"replay:{root / 'scene.wav'}?loop=1"
    client.post("/microphones", {"source": source, "name": "kitchen"})
    source = f"replay:{root / 'doorbell-0.wav'}?loop=1"
    client.post("/microphones", {"source": source, "name": "hall", "listen": False})


async def pictures(data: Path, size: tuple[int, int], theme: str) -> None:
    app = EarmarkApp(data=data, theme=theme)
    async with app.run_test(size=size) as pilot:
        await pilot.pause(LOOK_S)
        for entry in PAGES:
            if entry.name != "listen":
                await pilot.press(entry.keys.split(",")[0])
                await shown(app, pilot, entry.name)
            if entry.name == "versions":
                save(app, f"{entry.name}-{size[0]}x{size[1]}")
                await pilot.press("2")
                await pilot.pause(2.0)
                save(app, f"confusion-{size[0]}x{size[1]}")
                continue
            save(app, f"{entry.name}-{size[0]}x{size[1]}")


async def shown(app: EarmarkApp, pilot: Pilot[None], name: str) -> None:
    """Wait until that page, and no other, is on the screen and has fetched what it shows."""
    for _ in range(600):
        page = app.screen
        if isinstance(page, Page) and name == page.NAME and page.is_mounted and page.fresh:
            break
        await pilot.pause(0.1)
    else:
        raise SystemExit(f"the page {name} never came: make the pictures on a quieter machine")
    await pilot.pause(3.0)


def save(app: EarmarkApp, name: str) -> None:
    svg = app.export_screenshot(title="earmark tui")
    # Nobody who looks at a picture should call a font server.
    svg = re.sub(r',\s*url\("https?://[^)]*\) format\("[^"]*"\)', "", svg)
    (PICTURES / f"tui-{name}.svg").write_text(svg)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["XDG_CONFIG_HOME"] = str(root / "config")  # no digits of whoever makes them
        box = Box(root / "box")
        box.root.mkdir()
        box.start()
        try:
            with box.client() as client:
                teach(client, root)
            for size in SIZES:
                asyncio.run(pictures(box.root, size, "dark"))
        finally:
            box.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
