"""What an idle listening day writes to the disk besides sounds: a card wears by what is written.

    .venv/bin/python benchmarks/wear.py [--minutes 10] [--every 60] [--json]

A small network, trained in a few seconds, listens to a replay at real time: a quiet room in which
a sound of ESC-10 that it was not trained on is to be heard every `--every` seconds, some of which
it reports. Everything is as by default: clips of detections, the history, the log (to a file).

Counted is `write_bytes` in /proc/PID/io of the daemon and its children: pages made dirty, each
time that they are. What clips and minutes of the history take on the disk, in whole pages, is
taken off and shown by itself; the rest is scaled to a day. Goal: at most 2 GB.
Run it on a disk: pages of a tmpfs are not counted.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
from listening import CLASSES, RATE, REPOSITORY, add_microphones, daemon, mono, prepare, tree

from appliance.client import Client

GOAL_BYTES = 2_000_000_000
DAY_S = 86_400.0
SCENE_S = 300
SETTLE_S = 30.0
PAGE = 4096
NOISE = 0.002


def write_scene(file: Path, data: Path, every_s: float) -> None:
    """Five minutes of a quiet room with held-out sounds, of the taught classes in turn."""
    rng = np.random.default_rng(0)
    scene = (NOISE * rng.standard_normal(SCENE_S * RATE)).astype(np.float32)
    folders = [f for f in sorted((data / "esc10").iterdir()) if f.name.split(" - ")[-1] in CLASSES]
    for number, at_s in enumerate(np.arange(every_s / 2, SCENE_S - 5, every_s)):
        held_out = sorted(folders[number % len(folders)].glob("*.ogg"))[-1 - number]
        sound = mono(held_out, RATE)[: 3 * RATE]
        at = round(at_s * RATE)
        scene[at : at + len(sound)] += 0.5 * sound
    soundfile.write(file, scene.clip(-1, 1), RATE)


def written(pid: int) -> int:
    """Bytes that the process and its descendants made dirty so far."""
    total = 0
    for member in tree(pid):
        with contextlib.suppress(OSError):
            for line in Path(f"/proc/{member}/io").read_text().splitlines():
                if line.startswith("write_bytes:"):
                    total += int(line.split()[1])
    return total


def sounds(root: Path) -> dict[str, tuple[int, int]]:
    """Of clips and of the history: how many files, and their bytes in whole pages."""
    found = {}
    for name in ("clips", "history"):
        sizes = []
        for file in (root / name).rglob("*"):
            with contextlib.suppress(OSError):
                if file.is_file():
                    sizes.append(-(-file.stat().st_size // PAGE) * PAGE)
        found[name] = (len(sizes), sum(sizes))
    return found


def others(root: Path) -> dict[str, int]:
    """Sizes of what else lies in the data folder, in bytes."""
    return {file.name: file.stat().st_size for file in sorted(root.iterdir()) if file.is_file()}


def measure(data: Path, minutes: float, every_s: float, place: Path | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(dir=place) as temporary:
        root = Path(temporary) / "box"
        prepare(root, data)
        scene = Path(temporary) / "scene.flac"
        write_scene(scene, data, every_s)
        with daemon(root) as (pid, client):
            add_microphones(client, scene, 1)
            time.sleep(SETTLE_S)
            kept, before, began = sounds(root), written(pid), time.monotonic()
            since, steps = time.time(), []
            while (left := began + 60 * minutes - time.monotonic()) > 0:
                time.sleep(min(60.0, left))
                steps.append(written(pid) - before)
            after, lasted_s = sounds(root), time.monotonic() - began
            detections = len(list(client.pages("/detections", since=since)))
            heard = windows(client)
            files = others(root)
        if not steps[-1]:
            sys.exit(
                f"nothing is counted on the file system of {temporary}: give --place on a disk"
            )
    new = {name: after[name][1] - kept[name][1] for name in after}
    rest = steps[-1] - sum(new.values())
    return {
        "seconds": round(lasted_s, 1),
        "windows": heard,
        "detections": detections,
        "written": steps[-1],
        "after_each_minute": steps,
        "clips": new["clips"],
        "history": new["history"],
        "history_an_hour": round(new["history"] / lasted_s * 3600),
        "rest": rest,
        "rest_a_day": round(rest / lasted_s * DAY_S),
        "files": files,
        "goal": GOAL_BYTES,
        "passed": rest / lasted_s * DAY_S <= GOAL_BYTES and heard > 0,
    }


def windows(client: Client) -> int:
    return sum(one["windows"] for one in client.get("/hearing").values())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--every", type=float, default=60.0, help="seconds between two sounds")
    parser.add_argument("--place", type=Path, help="a folder on the disk to write to")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = Path(os.environ.get("EARMARK_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    found = measure(data, options.minutes, options.every, options.place)
    if options.json:
        print(json.dumps(found))
        return 0 if found["passed"] else 1
    print(
        f"{found['seconds']:.0f} s, {found['windows']} windows, {found['detections']} detections:"
        f" {found['written'] / 1e6:.1f} MB written"
    )
    print(
        f"clips {found['clips'] / 1e6:.1f} MB, history {found['history'] / 1e6:.1f} MB"
        f" ({found['history_an_hour'] / 1e6:.0f} MB an hour)"
    )
    print(
        f"the rest {found['rest'] / 1e6:.1f} MB, {found['rest_a_day'] / 1e9:.2f} GB a day"
        f" (goal: at most {GOAL_BYTES / 1e9:g})"
    )
    print("beside them: " + ", ".join(f"{k} {v / 1e3:.0f} kB" for k, v in found["files"].items()))
    print("goal reached" if found["passed"] else "goal missed")
    return 0 if found["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
