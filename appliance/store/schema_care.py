"""M010: sounds that were lost, and how far the look at the library is."""

from __future__ import annotations

M010: tuple[str, ...] = (
    # --- library/loss.py ------------------------------------------------------------------------
    # When the clip's file was first missed; NULL while it is there.
    "ALTER TABLE clips ADD COLUMN missing_since REAL",
    "CREATE INDEX clips_missing ON clips(label_id) WHERE missing_since IS NOT NULL",
    # --- care/inspection.py ---------------------------------------------------------------------
    """
    CREATE TABLE inspections (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        adopting INTEGER NOT NULL,        -- files without a row become clips again
        shard TEXT NOT NULL DEFAULT '',   -- the last folder of clips/ that was looked at
        files INTEGER NOT NULL DEFAULT 0,
        adopted INTEGER NOT NULL DEFAULT 0,
        quarantined INTEGER NOT NULL DEFAULT 0,
        missing INTEGER NOT NULL DEFAULT 0,
        healed INTEGER NOT NULL DEFAULT 0,
        began_at REAL NOT NULL,
        ended_at REAL,                    -- NULL while it goes on
        stopped TEXT NOT NULL DEFAULT ''  -- why it was given up
    )
    """,
)
