"""The terminal UI: how soon it is there, how many bytes a second it writes, how much it holds.

    .venv/bin/python benchmarks/terminal_ui.py [--rounds 7] [--seconds 20] [--json]

The start is from the command to the first screen with the box's state on it, in a pseudo-terminal
in front of a real daemon that listens to a replayed microphone, as a multiple of
`python -c "import textual"` in the same rounds. Bytes are counted at the pseudo-terminal.
Goals: at most 4 times; a screen without spectrogram under 200 bytes/s; at most 150 MB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import soundfile
from box import daemon

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from appliance.client import Client
from tests.models import toy
from tests.tui.conftest import publish_toy
from tests.tui.terminal import Terminal

START_GOAL, IDLE_GOAL, MEMORY_GOAL_MB = 4.0, 200.0, 150.0
SETTLED_S = 3.0
READY = b"listens since"
F5 = b"\x1b[15~"
F4 = b"\x1bOS"


@contextmanager
def terminal(data: Path, *options: str, size: tuple[int, int] = (80, 24)) -> Iterator[Terminal]:
    made = Terminal(data, *options, size=size)
    try:
        made.wait_for(READY)
        yield made
    finally:
        made.close()


def start_seconds(data: Path) -> float:
    began = time.perf_counter()
    with terminal(data):
        return time.perf_counter() - began


def import_seconds() -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "import textual"], check=True)
    return time.perf_counter() - began


def bytes_a_second(screen: Terminal, seconds: float) -> float:
    screen.read(SETTLED_S)
    began = time.monotonic()
    got = len(screen.read(seconds))
    return got / (time.monotonic() - began)


def memory_mb(pid: int) -> float:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024 / 1e6
    return 0.0


def prepare(data: Path, root: Path) -> None:
    """A box that listens to noise with a tone now and then."""
    noise = np.random.default_rng(1).normal(0, 0.003, 20 * toy.RATE).astype(np.float32)
    noise[5 * toy.RATE : 6 * toy.RATE] += toy.tone(toy.HIGH_HZ)
    soundfile.write(root / "scene.wav", noise, toy.RATE)
    with Client.find(data=data) as client:
        client.post("/deployments", {"version": "V001"})
        source = f"replay:{root / 'scene.wav'}?loop=1"
        client.post("/microphones", {"source": source, "name": "bench"})


def measure(data: Path, rounds: int, seconds: float) -> dict[str, float]:
    import_seconds(), start_seconds(data)  # files into memory, bytecode written
    pairs = [(import_seconds(), start_seconds(data)) for _ in range(rounds)]
    base, start = (statistics.median(values) for values in zip(*pairs, strict=True))
    figures = {"import textual, s": base, "first screen, s": start, "ratio": start / base}
    for size in ((80, 24), (140, 45)):
        with terminal(data, size=size) as screen:
            name = f"{size[0]}x{size[1]}"
            figures[f"listening with spectrogram {name}, B/s"] = bytes_a_second(screen, seconds)
            for key in (F4, F5):
                screen.send(key)
                screen.read(1.0)
            figures[f"versions, nothing happens {name}, B/s"] = bytes_a_second(screen, seconds)
            figures[f"memory {name}, MB"] = memory_mb(screen.pid)
    with terminal(data, "--low-bandwidth") as screen:
        figures["listening, low bandwidth, B/s"] = bytes_a_second(screen, seconds)
    return figures


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        data = root / "box"
        publish_toy(data)
        with daemon(data):
            prepare(data, root)
            figures = measure(data, options.rounds, options.seconds)
    idle = max(value for name, value in figures.items() if "nothing" in name or "low" in name)
    memory = max(value for name, value in figures.items() if "memory" in name)
    passed = figures["ratio"] <= START_GOAL and idle < IDLE_GOAL and memory <= MEMORY_GOAL_MB
    if options.json:
        print(json.dumps({**figures, "passed": passed}))
    else:
        for name, value in figures.items():
            print(f"{name:48} {value:10.2f}")
        print("goals reached" if passed else "goals missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
