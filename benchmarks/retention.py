"""Retention of a large library: time and memory of ranking it all, and of deleting a part.

    python benchmarks/retention.py [--clips 100000] [--delete 2000]

Rows are as detections make them (without files), a tenth of them labelled by a person.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from appliance.care.retention import Retention
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.paths import DataFolder
from appliance.settings import RetentionSettings
from appliance.store.database import Database

SIZE = 100_000
LABELS = 10


def peak_mb() -> float:
    """Highest resident memory of this process so far, in MB (10^6 bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6


def fill(db: Database, clips: int) -> None:
    """Rows with sizes as of real clips; their files are not needed for ranking."""
    columns = (
        "sha256, pcm_sha256, label_id, session_id, source, duration_s, sample_rate, size,"
        " peak_dbfs, rms_dbfs, recorded_at, boot_id, monotonic_ns, clock_synced, created_at, extra"
    )
    with db.write() as tx:
        tx.conn.execute("INSERT INTO sessions VALUES (1, 's', 'detection', NULL, 0)")
        tx.conn.executemany(
            "INSERT INTO labels (name, created_at) VALUES (?, 0)",
            [(f"label {number}",) for number in range(LABELS)],
        )
        tx.conn.executemany(
            f"INSERT INTO clips ({columns}) VALUES (?, ?, ?, 1, 'detection', 5, 16000, {SIZE},"
            " -3, -20, 1.7e9, 'boot', 0, 1, 1.7e9, ?)",
            (
                (
                    f"{number:064x}",
                    f"{number:064x}",
                    1 + number % LABELS if number % 10 == 0 else None,
                    json.dumps(
                        {"suggested": f"label {number % LABELS}", "score": 0.75 + number % 25 / 100}
                    ),
                )
                for number in range(clips)
            ),
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--delete", type=int, default=2000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        folder = DataFolder(Path(place) / "data")
        folder.create()
        db = Database(folder.database)
        fill(db, options.clips)
        bus = EventBus()
        clips = Clips(db, folder, bus)
        retention = Retention(db, clips, folder, RetentionSettings(), bus)
        before = peak_mb()
        for name, dry_run, number in (
            ("dry run of all", True, options.clips),
            (f"deleting {options.delete}", False, options.delete),
        ):
            began = time.monotonic()
            done = retention.run(dry_run=dry_run, wanted=number * SIZE)
            seconds = time.monotonic() - began
            print(
                f"{name}: {done.clips} clips, {done.failed} failed, {seconds:.1f} s,"
                f" peak memory {before:.0f} -> {peak_mb():.0f} MB"
            )
        db.close()


if __name__ == "__main__":
    main()
