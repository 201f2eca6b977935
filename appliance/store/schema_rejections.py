"""M009: the last candidates of each microphone that were not reported."""

from __future__ import annotations

M009: tuple[str, ...] = (
    # --- live/rejections.py ---------------------------------------------------------------------
    """
    CREATE TABLE rejections (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        microphone TEXT NOT NULL,
        label TEXT NOT NULL,
        score REAL NOT NULL,
        reason TEXT NOT NULL,
        version TEXT NOT NULL,
        at REAL NOT NULL,                 -- epoch seconds, as the wall clock said
        boot_id TEXT NOT NULL,
        monotonic_ns INTEGER NOT NULL,
        clock_synced INTEGER NOT NULL
    )
    """,
    "CREATE INDEX rejections_by_microphone ON rejections(microphone, id)",
)
