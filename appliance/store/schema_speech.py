"""M011: how much the speech filter dropped, and which detections have no clip for that."""

from __future__ import annotations

M011: tuple[str, ...] = (
    # --- library/speech_filter.py ---------------------------------------------------------------
    """
    CREATE TABLE speech_dropped (
        day TEXT NOT NULL,                -- YYYY-MM-DD, local time
        source TEXT NOT NULL,             -- trigger, detection, history, ...
        sounds INTEGER NOT NULL,          -- clips, or minutes of the history
        seconds REAL NOT NULL,
        PRIMARY KEY (day, source)
    ) WITHOUT ROWID
    """,
    # --- live/detections.py ---------------------------------------------------------------------
    # Why there is no clip: 'speech', or NULL when nothing kept it from being stored.
    "ALTER TABLE detections ADD COLUMN no_clip TEXT",
)
