"""M012: the names of microphones that were removed, since their clips and detections stay."""

from __future__ import annotations

M012: tuple[str, ...] = (
    # --- library/microphones.py -----------------------------------------------------------------
    """
    CREATE TABLE former_microphones (
        id TEXT PRIMARY KEY,              -- as in microphones
        name TEXT NOT NULL,               -- the last that it had
        removed_at REAL NOT NULL
    )
    """,
)
