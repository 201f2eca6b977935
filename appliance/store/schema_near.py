"""M008: fingerprints of clips, and which clips are nearly the same sound (library)."""

from __future__ import annotations

M008: tuple[str, ...] = (
    # How many near duplicates a clip has; NULL while nobody has compared it with the others.
    "ALTER TABLE clips ADD COLUMN alike INTEGER",
    "CREATE INDEX clips_alike ON clips(id) WHERE alike > 0",
    "CREATE INDEX clips_not_compared ON clips(id) WHERE alike IS NULL",
    """
    CREATE TABLE fingerprints (
        clip_id INTEGER PRIMARY KEY REFERENCES clips(id) ON DELETE CASCADE,
        method INTEGER NOT NULL,
        words BLOB NOT NULL               -- uint32 a frame, see audio/fingerprint.py
    )
    """,
    # Apart from the words, so that all keys can be read without reading all fingerprints.
    """
    CREATE TABLE fingerprint_keys (
        clip_id INTEGER PRIMARY KEY REFERENCES clips(id) ON DELETE CASCADE,
        keys BLOB NOT NULL                -- uint32 each
    )
    """,
    # Both directions of each pair.
    """
    CREATE TABLE near_duplicates (
        clip_id INTEGER NOT NULL REFERENCES clips(id) ON DELETE CASCADE,
        other_id INTEGER NOT NULL REFERENCES clips(id) ON DELETE CASCADE,
        similarity REAL NOT NULL,         -- share of the fingerprint's bits that agree
        lag_s REAL NOT NULL,              -- where the other begins within the clip
        PRIMARY KEY (clip_id, other_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX near_duplicates_by_other ON near_duplicates(other_id)",
    """
    CREATE TRIGGER near_duplicate_found AFTER INSERT ON near_duplicates BEGIN
        UPDATE clips SET alike = coalesce(alike, 0) + 1 WHERE id = new.clip_id;
    END
    """,
    """
    CREATE TRIGGER near_duplicate_gone AFTER DELETE ON near_duplicates BEGIN
        UPDATE clips SET alike = alike - 1 WHERE id = old.clip_id;
    END
    """,
)
