"""How quickly the command starts: `earmark --help` and `earmark status` as multiples of
`python -c 'import httpx, rich'`.

    .venv/bin/python benchmarks/startup.py [--rounds 15] [--json]

In each round every command runs once, one behind the other, so that a busy machine is busy for
all of them; the ratio is that of the medians. `status` asks a real daemon.
Goal: at most 4 times.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from box import EARMARK, daemon

GOAL = 4.0
BASE = "import httpx, rich"


def installed() -> list[str]:
    """The command as it was installed beside this Python, else the module."""
    script = Path(sys.executable).with_name("earmark")
    return [str(script)] if script.exists() else EARMARK


def seconds(command: list[str], environment: dict[str, str]) -> float:
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, env=environment)
    return time.perf_counter() - began


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    commands = {
        BASE: [sys.executable, "-c", BASE],
        "earmark --help": [*installed(), "--help"],
        "earmark status": [*installed(), "status"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "box"
        environment = {**os.environ, "EARMARK_DATA": str(data)}
        environment.pop("EARMARK_URL", None)
        with daemon(data):
            for command in commands.values():
                seconds(command, environment)  # files into memory, bytecode written
            for _ in range(options.rounds):
                for name, command in commands.items():
                    times[name].append(seconds(command, environment))
    median = {name: statistics.median(values) for name, values in times.items()}
    ratios = {name: median[name] / median[BASE] for name in commands if name != BASE}
    passed = max(ratios.values()) <= GOAL
    report = {"seconds": median, "ratio": ratios, "rounds": options.rounds, "passed": passed}
    if options.json:
        print(json.dumps(report))
    else:
        for name, value in median.items():
            ratio = f"{ratios[name]:.2f} times (goal: at most {GOAL:g})" if name in ratios else ""
            print(f"{name:20} {value * 1000:6.0f} ms  {ratio}".rstrip())
        print("goal reached" if passed else "goal missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
