"""How soon after its start the daemon listens, as a multiple of importing it.

    .venv/bin/python benchmarks/boot.py [--rounds 7] [--json]

A box with a deployed version and a microphone (a replay at real time). In each round Python imports
the daemon (`python -c 'import appliance.daemon'`), and then the daemon is started and asked every
20 ms, until it answers and until its first window was judged: opened the database, loaded the
engine, opened the microphone, and heard as much sound as a window is long. So a busy machine is
busy for both; the ratio is that of the medians. Goal: at most 10 times.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from listening import REPOSITORY, add_microphones, daemon, prepare, recordings, write_scene

from appliance.client import Client, ClientError

GOAL = 10.0
BASE = "import appliance.daemon"
LOOK_S = 0.02
LONGEST_S = 120.0


def imported() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", BASE], check=True, cwd=REPOSITORY)
    return time.perf_counter() - began


def booted(root: Path) -> tuple[float, float]:
    """Seconds from the start of the daemon until it answers, and until its first window."""
    began = time.perf_counter()
    with (root.parent / "daemon.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "appliance.cli", "--data", str(root), "serve"],
            cwd=REPOSITORY,
            env={**os.environ, "EARMARK_HTTP_PORT": "0"},
            stdout=log,
            stderr=log,
        )
    answered = 0.0
    try:
        while (since := time.perf_counter() - began) < LONGEST_S:
            with contextlib.suppress(ClientError), Client.find(data=root) as client:
                heard = client.get("/hearing")
                answered = answered or time.perf_counter() - began
                if any(one["windows"] > 0 for one in heard.values()):
                    return answered, time.perf_counter() - began
            if process.poll() is not None:
                sys.exit(f"the daemon ended at its start with status {process.returncode}")
            time.sleep(LOOK_S)
        sys.exit(f"no window within {since:.0f} s")
    finally:
        process.terminate()
        process.wait(60)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    data = Path(os.environ.get("EARMARK_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    times: dict[str, list[float]] = {"import": [], "answers": [], "first window": []}
    with tempfile.TemporaryDirectory() as temporary:
        root = Path(temporary) / "box"
        card = prepare(root, data)
        scene = Path(temporary) / "scene.flac"
        write_scene(scene, recordings(data))
        with daemon(root) as (_, client):
            add_microphones(client, scene, 1)  # and what is compiled on the way
        imported()
        for _ in range(options.rounds):
            times["import"].append(imported())
            answered, heard = booted(root)
            times["answers"].append(answered)
            times["first window"].append(heard)
    median = {name: statistics.median(values) for name, values in times.items()}
    ratio = median["first window"] / median["import"]
    window_s = card["window_samples"] / card["sample_rate"]
    passed = ratio <= GOAL
    if options.json:
        report = {"seconds": times, "median": median, "window_s": window_s, "ratio": ratio}
        print(json.dumps({**report, "passed": passed}))
        return 0 if passed else 1
    for name, value in median.items():
        print(f"{name:13} {value:5.2f} s  ({min(times[name]):.2f} to {max(times[name]):.2f})")
    print(f"of which the window itself is {window_s:.2f} s of sound")
    print(f"{ratio:.2f} times the import (goal: at most {GOAL:g}); load {os.getloadavg()[0]:.1f}")
    print("goal reached" if passed else "goal missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
