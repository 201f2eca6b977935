"""Does a training cost listening a window? Eight microphones at real time beside a real training.

    .venv/bin/python benchmarks/training_next_door.py [--microphones 8] [--json]

A real daemon listens to replays of one scene with a deployed version, and then trains on ESC-10
clips, imported into it, until the training ends. Goal: no window missed, by the figure that the
new version carries. The delay of windows is shown for the time before and beside the training.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from listening import (
    REPOSITORY,
    SETTLE_S,
    add_microphones,
    daemon,
    listen,
    prepare,
    recordings,
    write_scene,
)

from appliance.client import Client

ENDED = ("completed", "failed", "cancelled")
BEFORE_S = 20.0


def train(client: Client) -> tuple[dict[str, Any], list[float], float]:
    """Train to the end; the version, the delays of windows meanwhile, and the longest pause."""
    job = client.post("/jobs", {"max_minutes": 6})
    lags: list[float] = []
    while (found := client.get(f"/jobs/{job['id']}"))["state"] not in ENDED:
        lags += [one["lag_ms"] for one in client.get("/hearing").values()]
        time.sleep(0.5)
    if found["version"] is None:
        sys.exit(f"the training ended without a version: {found}")
    version = client.get(f"/versions/{found['version']}")
    card = client.get(f"/versions/{found['version']}/card")
    return version, lags, float(card["train"]["paused_s"])


def measure(data: Path, microphones: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        root, scene = Path(temporary) / "box", Path(temporary) / "scene.flac"
        prepare(root, data)
        sounds = recordings(data)
        write_scene(scene, sounds)
        with daemon(root) as (_, client):
            for label, files in sounds.items():
                client.upload("/clips", files, {"label": label})
            add_microphones(client, scene, microphones)
            time.sleep(SETTLE_S)
            before = listen(client, microphones, BEFORE_S)
            version, lags, paused_s = train(client)
    return {
        "microphones": microphones,
        "cores": os.cpu_count(),
        "training_s": round(version["seconds"], 1),
        "paused_s": paused_s,
        "windows_missed": version["windows_missed"],
        "lag_p99_before_ms": before["lag_p99_ms"],
        "lag_median_beside_ms": round(float(np.median(lags)), 1),
        "lag_p99_beside_ms": round(float(np.percentile(lags, 99)), 1),
        "met": version["windows_missed"] == 0,
    }


def main() -> int:
    parser = argparse.ArgumentParser(description="Does a training cost listening a window?")
    parser.add_argument("--microphones", type=int, default=8)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data = os.environ.get("EARMARK_TEST_DATA") or REPOSITORY.parent / "shared" / "data"
    figures = measure(Path(data), given.microphones)
    if given.json:
        print(json.dumps(figures))
    else:
        print(
            f"{figures['microphones']} microphones, {figures['cores']} cores: "
            f"{figures['windows_missed']} windows missed in {figures['training_s']:.0f} s of "
            f"training (held for {figures['paused_s']:.0f} s); window to scores p99 "
            f"{figures['lag_p99_before_ms']:.0f} ms before, {figures['lag_p99_beside_ms']:.0f} ms "
            f"beside it (median {figures['lag_median_beside_ms']:.0f} ms)"
        )
    return 0 if figures["met"] else 1


if __name__ == "__main__":
    sys.exit(main())
