"""M007: when the box was told not to listen, by whom, and when it listened again."""

from __future__ import annotations

M007: tuple[str, ...] = (
    # --- recording/privacy.py -------------------------------------------------------------------
    """
    CREATE TABLE pauses (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        reason TEXT NOT NULL,             -- privacy, quiet hours, ...
        author TEXT NOT NULL,
        paused_at REAL NOT NULL,
        until_at REAL,                    -- wall time of its end; NULL when somebody must end it
        boot_id TEXT NOT NULL,            -- in this boot `until_ns` decides: clocks jump
        until_ns INTEGER,
        ended_at REAL,                    -- NULL while it holds
        ended_by TEXT
    )
    """,
    # A reason holds once at a time.
    "CREATE UNIQUE INDEX pauses_open ON pauses(reason) WHERE ended_at IS NULL",
)
