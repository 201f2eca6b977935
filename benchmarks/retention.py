"""Retention of a large library: time and memory of ranking it all, and of deleting most of it.

    .venv/bin/python benchmarks/retention.py [--clips 100000] [--json]

Rows are as detections make them, each with a small file, a tenth of them labelled by a person,
one in a hundred marked to be kept. All is ranked (a dry run), once more at a tenth of the size,
and then half of the bytes are deleted, and the rest that may go: rows, tombstones and files.
Goals: everything goes that shall and nothing else; ranking a clip takes at most twice the
processor time of one in a library of a tenth of the size; memory grows by at most 500 bytes a clip.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from appliance.care.retention import Retention
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.paths import DataFolder
from appliance.settings import RetentionSettings
from appliance.store.database import Database

SIZE = 100_000
LABELS = 10
KEPT_EVERY = 100
GOAL_BYTES_A_CLIP = 500
GOAL_GROWTH = 2.0


def peak_bytes() -> int:
    """Highest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def fill(db: Database, folder: DataFolder, clips: int) -> None:
    """Rows with sizes as of real clips, and a file of a few bytes for each."""
    columns = (
        "sha256, pcm_sha256, label_id, session_id, source, duration_s, sample_rate, size,"
        " peak_dbfs, rms_dbfs, recorded_at, boot_id, monotonic_ns, clock_synced, created_at,"
        " protected, extra"
    )
    # As hashes are: spread over the folders.
    names = [f"{number * 0x9E3779B97F4A7C15 % 2**64:016x}{number:048x}" for number in range(clips)]
    with db.write() as tx:
        tx.conn.execute("INSERT INTO sessions VALUES (1, 's', 'detection', NULL, 0)")
        tx.conn.executemany(
            "INSERT INTO labels (name, created_at) VALUES (?, 0)",
            [(f"label {number}",) for number in range(LABELS)],
        )
    rows = [
        (
            name,
            name,
            1 + number % LABELS if number % 10 == 0 else None,
            number % KEPT_EVERY == 1,
            json.dumps(
                {"suggested": f"label {number % LABELS}", "score": 0.75 + number % 25 / 100}
            ),
        )
        for number, name in enumerate(names)
    ]
    # Not at once: SQLite's cache overflows into the WAL, again and again, to gigabytes.
    for start in range(0, clips, 1000):
        with db.write() as tx:
            tx.conn.executemany(
                f"INSERT INTO clips ({columns}) VALUES (?, ?, ?, 1, 'detection', 5, 16000, {SIZE},"
                " -3, -20, 1.7e9, 'boot', 0, 1, 1.7e9, ?, ?)",
                rows[start : start + 1000],
            )
    for name in names:
        file = folder.clip(name)
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(b"fLaC")


def measure(place: Path, number: int, *, delete: bool) -> dict[str, Any]:
    folder = DataFolder(place)
    folder.create()
    db = Database(folder.database)
    fill(db, folder, number)
    bus = EventBus()
    retention = Retention(db, Clips(db, folder, bus), folder, RetentionSettings(), bus)
    free = number - len(range(1, number, KEPT_EVERY))
    found: dict[str, Any] = {"clips": number}
    for name, dry_run, clips, left in (
        ("rank", True, free, number),
        ("half", False, free // 2, number - free // 2),
        ("rest", False, free, number - free),
    ):
        if not dry_run and not delete:
            continue
        before, began, spent = peak_bytes(), time.monotonic(), time.process_time()
        done = retention.run(dry_run=dry_run, wanted=clips * SIZE)
        files = sum(len(list(part.iterdir())) for part in folder.clips.iterdir())
        found[name] = {
            "seconds": time.monotonic() - began,
            "cpu_seconds": time.process_time() - spent,
            "clips": done.clips,
            "peak_bytes": peak_bytes(),
            "grown_bytes": peak_bytes() - before,
            "right": done.failed == 0 and files == left,
        }
    db.close()
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        small = measure(Path(place) / "small", options.clips // 10, delete=False)
        large = measure(Path(place) / "large", options.clips, delete=True)
    parts = [part for part in large.values() if isinstance(part, dict)]
    growth = large["rank"]["cpu_seconds"] / small["rank"]["cpu_seconds"] / 10
    memory = sum(part["grown_bytes"] for part in parts) / options.clips
    passed = (
        all(part["right"] for part in parts)
        and growth <= GOAL_GROWTH
        and memory <= GOAL_BYTES_A_CLIP
    )
    report = {"small": small, "large": large, "growth": growth, "bytes_a_clip": memory}
    if options.json:
        print(json.dumps({**report, "passed": passed}))
        return 0 if passed else 1
    print(f"{small['clips']} clips ranked in {small['rank']['seconds']:.2f} s")
    for name, part in large.items():
        if isinstance(part, dict):
            print(
                f"{name:5} of {large['clips']}: {part['clips']} clips in {part['seconds']:.2f} s"
                f" ({1e3 * part['seconds'] / max(part['clips'], 1):.2f} ms each), peak memory"
                f" {part['peak_bytes'] / 1e6:.0f} MB, {'right' if part['right'] else 'WRONG'}"
            )
    print(f"ranking a clip takes {growth:.2f} times the processor time of a tenth of the library")
    print(f"memory grew by {memory:.0f} bytes a clip in all; load {os.getloadavg()[0]:.1f}")
    print("goal reached" if passed else "goal missed")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
