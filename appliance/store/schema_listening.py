"""Tables of listening that came later: how high scores rise, and thresholds that keep a rate."""

from __future__ import annotations

M003 = (
    # --- live: how long each hour was listened to, and how high scores rose in it --------------
    """
    CREATE TABLE listened (
        version TEXT NOT NULL,
        microphone TEXT NOT NULL,
        hour INTEGER NOT NULL,                        -- hours since the epoch
        seconds REAL NOT NULL,
        PRIMARY KEY (version, microphone, hour)
    ) WITHOUT ROWID
    """,
    """
    CREATE TABLE score_tallies (
        version TEXT NOT NULL,
        label TEXT NOT NULL,
        microphone TEXT NOT NULL,
        hour INTEGER NOT NULL,
        counts TEXT NOT NULL,                         -- JSON: bin of live/tally.py -> how many
        PRIMARY KEY (version, label, microphone, hour)
    ) WITHOUT ROWID
    """,
    # --- models: a threshold that keeps a rate, and what it rests on ----------------------------
    "ALTER TABLE thresholds ADD COLUMN per_day REAL",
    "ALTER TABLE thresholds ADD COLUMN solution TEXT NOT NULL DEFAULT '{}'",  # JSON
)
