"""The label inbox with 100,000 clips: pages, summary, and putting the newest 5,000 in order.
Run: python benchmarks/inbox.py"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from appliance.inbox.likeness import DIMENSIONS
from appliance.inbox.order import teaching_ranks
from appliance.inbox.table import Inbox
from appliance.paths import DataFolder
from appliance.store.database import Database

CLIPS, LABELS, MICROPHONES, ORDERED = 100_000, 20, 8, 5_000
_CLIP = """
    INSERT INTO clips (sha256, pcm_sha256, session_id, microphone, source, duration_s, sample_rate,
        size, peak_dbfs, rms_dbfs, recorded_at, boot_id, monotonic_ns, clock_synced, created_at)
    VALUES (?, ?, 1, ?, 'trigger', 2, 16000, 1, -1, -20, 0, 'b', 0, 1, 0)
"""


def fill(db: Database) -> None:
    rng = np.random.default_rng(0)
    with db.write() as tx:
        tx.conn.execute("INSERT INTO sessions (key, kind, created_at) VALUES ('s', 'import', 0)")
        tx.conn.executemany(
            _CLIP, [(f"{i:064x}", f"p{i}", f"m{i % MICROPHONES}") for i in range(CLIPS)]
        )
        tx.conn.executemany(
            "UPDATE inbox SET rank = ?, suggested_label = ?, version = 'V001', likeness = ?,"
            " unsure = ? WHERE clip_id = ?",
            [
                (
                    float(rng.random()),
                    f"l{i % LABELS}",
                    rng.standard_normal(DIMENSIONS).astype(np.float16).tobytes(),
                    float(rng.random()),
                    i + 1,
                )
                for i in range(CLIPS)
            ],
        )


def timed(name: str, ask: Callable[[], object]) -> None:
    times = []
    for _ in range(30):
        began = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - began))
    print(f"{name:32} median {np.median(times):6.1f} ms, worst {max(times):6.1f} ms")


def main() -> None:
    with tempfile.TemporaryDirectory() as root:
        folder = DataFolder(Path(root))
        folder.create()
        db = Database(folder.database)
        fill(db)
        inbox = Inbox(db)
        timed("first page of 100", lambda: inbox.page(limit=100))
        timed("page in the middle", lambda: inbox.page(limit=100, cursor="0.5_50000"))
        timed("of one suggested label", lambda: inbox.page(limit=100, label="l3"))
        timed("of one microphone", lambda: inbox.page(limit=100, microphone="m3"))
        timed("summary", lambda: inbox.summary("V001"))
        began = time.process_time()
        _, unsure, points = inbox.judged(ORDERED)
        teaching_ranks(unsure, points, 200)
        print(
            f"order of the newest {ORDERED}: {time.process_time() - began:.2f} s of processor time"
        )
        db.close()


if __name__ == "__main__":
    main()
