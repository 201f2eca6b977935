"""Import against a mere load: ESC-10's 400 clips through the real command and daemon (hashed,
encoded to FLAC, durable) against `librosa.load(sr=22050)` of the same files in one process.

    .venv/bin/python benchmarks/import_speed.py [--rounds 3] [--json]

Both are measured in turns, each import into a new data folder, and the least disturbed round of
each counts. Work is compared with work: librosa's loads after its start and one load to warm up,
with the import from its first look at the daemon to its report. `with_start` compares the whole
processes, as a person waits for them. librosa comes with the extra `bench`.
Goal: at least as fast.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from box import EARMARK, daemon
from training_job import data_folder

GOAL = 1.0
CLIPS = 400
LOADS = """
import sys, time
import librosa
paths = sys.stdin.read().splitlines()
librosa.load(paths[0], sr=22050)
began = time.perf_counter()
for path in paths:
    librosa.load(path, sr=22050)
print(time.perf_counter() - began)
"""


def librosa_seconds(paths: list[Path]) -> tuple[float, float]:
    """The loads alone, and the whole process."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", LOADS],
        input="\n".join(str(path) for path in paths),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout), time.perf_counter() - began


def import_seconds(folder: Path) -> tuple[float, float]:
    """The import as its report says, and the whole command."""
    with tempfile.TemporaryDirectory() as name:
        data = Path(name) / "box"
        command = [*EARMARK, "--data", str(data), "import", str(folder), "--json"]
        with daemon(data):
            began = time.perf_counter()
            done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            took = time.perf_counter() - began
    report = json.loads(done.stdout)
    assert report["imported"] == CLIPS, report
    return report["seconds"], took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    folder = data_folder() / "esc10"
    paths = sorted(folder.glob("*/*.ogg"))
    assert len(paths) == CLIPS, f"{len(paths)} files in {folder}"
    loads, imports = [], []
    for _ in range(options.rounds):
        loads.append(librosa_seconds(paths))
        imports.append(import_seconds(folder))
    work, whole = (min(pair[i] for pair in loads) for i in (0, 1))
    own_work, own_whole = (min(pair[i] for pair in imports) for i in (0, 1))
    passed = work / own_work >= GOAL
    report = {
        "librosa_s": loads,
        "import_s": imports,
        "ratio": work / own_work,
        "with_start": whole / own_whole,
        "passed": passed,
    }
    if options.json:
        print(json.dumps(report))
    else:
        print(f"librosa.load  {work:6.2f} s, with its start {whole:6.2f} s")
        print(f"import        {own_work:6.2f} s, with its start {own_whole:6.2f} s")
        print(f"{work / own_work:.2f} times as fast (goal: at least {GOAL:g})")
        print(f"{whole / own_whole:.2f} times as fast with the start of both")
        print("goal reached" if passed else "goal missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
