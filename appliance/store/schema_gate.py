"""Tables of the label inbox, of comparisons of versions, and of the shadow: migration M004.

The rules of `schema.py` hold: nothing here changes once it has been released.
"""

from __future__ import annotations

M004: tuple[str, ...] = (
    # --- inbox: clips without a label, and what they would teach -------------------------------
    """
    CREATE TABLE inbox (
        clip_id INTEGER PRIMARY KEY REFERENCES clips(id) ON DELETE CASCADE,
        microphone TEXT,
        version TEXT,                         -- that judged the clip; NULL: none has yet
        suggested_label TEXT,
        suggested_score REAL,
        unsure REAL NOT NULL DEFAULT 0,       -- 0 to 1
        likeness BLOB,                        -- float16: what it sounds like, see inbox/likeness.py
        flagged INTEGER NOT NULL DEFAULT 0,   -- something happened that a person should look at
        rank REAL NOT NULL DEFAULT 0,         -- the highest stands first
        reason TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX inbox_by_rank ON inbox(rank, clip_id)",
    "CREATE INDEX inbox_by_label ON inbox(suggested_label, rank, clip_id)",
    "CREATE INDEX inbox_by_microphone ON inbox(microphone, rank, clip_id)",
    "CREATE INDEX inbox_by_version ON inbox(version)",
    # The schema itself keeps the two in step: a clip is here exactly as long as it has no label.
    """
    CREATE TRIGGER inbox_takes_new_clips AFTER INSERT ON clips WHEN new.label_id IS NULL BEGIN
        INSERT OR IGNORE INTO inbox (clip_id, microphone) VALUES (new.id, new.microphone);
    END
    """,
    """
    CREATE TRIGGER inbox_takes_back AFTER UPDATE OF label_id ON clips
    WHEN new.label_id IS NULL AND old.label_id IS NOT NULL BEGIN
        INSERT OR IGNORE INTO inbox (clip_id, microphone) VALUES (new.id, new.microphone);
    END
    """,
    """
    CREATE TRIGGER inbox_lets_go AFTER UPDATE OF label_id ON clips
    WHEN new.label_id IS NOT NULL BEGIN
        DELETE FROM inbox WHERE clip_id = new.id;
    END
    """,
    """
    INSERT INTO inbox (clip_id, microphone)
        SELECT id, microphone FROM clips WHERE label_id IS NULL
    """,
    # --- gate: versions heard against each other before one of them listens --------------------
    """
    CREATE TABLE comparisons (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        candidate TEXT NOT NULL REFERENCES versions(name),
        live TEXT,                            -- the version that it is held against; NULL: none
        purpose TEXT NOT NULL,                -- deploy or compare
        state TEXT NOT NULL,                  -- running, passed, refused, failed, cancelled
        detail TEXT NOT NULL DEFAULT '',
        forced INTEGER NOT NULL DEFAULT 0,
        deployment_id INTEGER REFERENCES deployments(id),
        report TEXT NOT NULL DEFAULT '{}',    -- JSON
        author TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL
    )
    """,
    "CREATE INDEX comparisons_by_deployment ON comparisons(deployment_id)",
    # --- gate: the version that listens silently -----------------------------------------------
    """
    CREATE TABLE shadows (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        version TEXT NOT NULL REFERENCES versions(name),
        precision TEXT NOT NULL,
        state TEXT NOT NULL,                  -- running, promoted, ended
        author TEXT NOT NULL,
        started_at REAL NOT NULL,
        ended_at REAL,
        windows INTEGER NOT NULL DEFAULT 0,   -- judged, over all restarts
        missed INTEGER NOT NULL DEFAULT 0,
        heard_s REAL NOT NULL DEFAULT 0       -- seconds of sound over all microphones
    )
    """,
    "CREATE UNIQUE INDEX one_running_shadow ON shadows(state) WHERE state = 'running'",
    """
    CREATE TABLE shadow_sounds (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        shadow_id INTEGER NOT NULL REFERENCES shadows(id),
        microphone TEXT NOT NULL,
        at REAL NOT NULL,
        live_label TEXT,                      -- NULL: the live version reported nothing
        live_score REAL,
        shadow_label TEXT,                    -- NULL: the shadow would have reported nothing
        shadow_score REAL,
        detection_id INTEGER REFERENCES detections(id),
        clip_id INTEGER REFERENCES clips(id) ON DELETE SET NULL
    )
    """,
    "CREATE INDEX shadow_sounds_by_shadow ON shadow_sounds(shadow_id, id)",
    "CREATE INDEX shadow_sounds_by_clip ON shadow_sounds(clip_id)",
)
