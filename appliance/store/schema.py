"""The tables, in the order of the sound's own path. A statement here never changes once it has
been released: what must change becomes a new migration.

Times: `*_at` are epoch seconds of the wall clock, for display; order comes from ids. Each package
owns the queries of its own tables: the comment names it.
"""

from __future__ import annotations

M001: tuple[str, ...] = (
    # --- library: where sounds come from -------------------------------------------------------
    """
    CREATE TABLE microphones (
        id TEXT PRIMARY KEY,              -- stable: USB path and serial, or replay:PATH
        name TEXT NOT NULL UNIQUE,
        source TEXT NOT NULL,             -- a device's id, default, or replay:PATH
        enabled INTEGER NOT NULL DEFAULT 1,
        listen INTEGER NOT NULL DEFAULT 1,
        gain_db REAL NOT NULL DEFAULT 0,
        channel INTEGER,                  -- NULL mixes all channels
        trigger TEXT,                     -- JSON of the trigger's settings, NULL when it is off
        created_at REAL NOT NULL
    )
    """,
    """
    CREATE TABLE schedules (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        microphone TEXT NOT NULL REFERENCES microphones(id) ON DELETE CASCADE,
        at TEXT NOT NULL,                 -- HH:MM, local time
        seconds REAL NOT NULL,
        label TEXT,
        enabled INTEGER NOT NULL DEFAULT 1,
        last_run_on TEXT,                 -- local date of the last run
        created_at REAL NOT NULL
    )
    """,
    """
    CREATE TABLE sessions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        key TEXT NOT NULL UNIQUE,         -- what an import calls it, or a name made by the server
        kind TEXT NOT NULL,               -- import, recording, trigger, schedule, background, ...
        microphone TEXT,
        created_at REAL NOT NULL
    )
    """,
    # --- library: clips and labels -------------------------------------------------------------
    """
    CREATE TABLE labels (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        clips INTEGER NOT NULL DEFAULT 0,     -- kept by the triggers below
        sessions INTEGER NOT NULL DEFAULT 0,
        created_at REAL NOT NULL
    )
    """,
    """
    CREATE TABLE clips (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        sha256 TEXT NOT NULL UNIQUE,          -- of the FLAC file, which is its name on disk
        pcm_sha256 TEXT NOT NULL UNIQUE,      -- of the sound itself: the same sound is one clip
        label_id INTEGER REFERENCES labels(id),
        session_id INTEGER NOT NULL REFERENCES sessions(id),
        microphone TEXT,
        source TEXT NOT NULL,
        filename TEXT,
        start_s REAL NOT NULL DEFAULT 0,      -- where in its session's file this clip begins
        duration_s REAL NOT NULL,
        sample_rate INTEGER NOT NULL,
        size INTEGER NOT NULL,
        peak_dbfs REAL NOT NULL,
        rms_dbfs REAL NOT NULL,
        frame INTEGER,                        -- the microphone's frame counter at its first sample
        recorded_at REAL NOT NULL,
        boot_id TEXT NOT NULL,
        monotonic_ns INTEGER NOT NULL,
        clock_synced INTEGER NOT NULL,
        created_at REAL NOT NULL,
        parent_id INTEGER,                    -- the clip that this one was cut from
        protected INTEGER NOT NULL DEFAULT 0, -- a person said: keep this
        extra TEXT NOT NULL DEFAULT '{}'      -- JSON: further columns of an import
    )
    """,
    "CREATE INDEX clips_by_label ON clips(label_id, id)",
    "CREATE INDEX clips_by_session ON clips(session_id, id)",
    "CREATE INDEX clips_by_microphone ON clips(microphone, id)",
    "CREATE INDEX clips_by_source ON clips(source, id)",
    "CREATE INDEX clips_by_time ON clips(recorded_at, id)",
    # Filters that people combine: two large sets may have few clips in common.
    "CREATE INDEX clips_by_label_microphone ON clips(label_id, microphone, id)",
    "CREATE INDEX clips_by_label_time ON clips(label_id, recorded_at, id)",
    "CREATE INDEX clips_by_microphone_time ON clips(microphone, recorded_at, id)",
    """
    CREATE INDEX clips_by_label_microphone_time
        ON clips(label_id, microphone, recorded_at, id)
    """,
    """
    CREATE TABLE label_sessions (
        label_id INTEGER NOT NULL REFERENCES labels(id) ON DELETE CASCADE,
        session_id INTEGER NOT NULL,
        clips INTEGER NOT NULL,
        PRIMARY KEY (label_id, session_id)
    ) WITHOUT ROWID
    """,
    # Readiness must not count 100,000 rows each time that somebody looks: triggers keep the sums.
    """
    CREATE TRIGGER clip_labelled AFTER INSERT ON clips WHEN new.label_id IS NOT NULL BEGIN
        INSERT INTO label_sessions VALUES (new.label_id, new.session_id, 1)
            ON CONFLICT DO UPDATE SET clips = clips + 1;
        UPDATE labels SET clips = clips + 1 WHERE id = new.label_id;
    END
    """,
    """
    CREATE TRIGGER clip_gone AFTER DELETE ON clips WHEN old.label_id IS NOT NULL BEGIN
        UPDATE label_sessions SET clips = clips - 1
            WHERE label_id = old.label_id AND session_id = old.session_id;
        DELETE FROM label_sessions
            WHERE label_id = old.label_id AND session_id = old.session_id AND clips = 0;
        UPDATE labels SET clips = clips - 1 WHERE id = old.label_id;
    END
    """,
    """
    CREATE TRIGGER clip_relabelled AFTER UPDATE OF label_id ON clips
    WHEN old.label_id IS NOT new.label_id BEGIN
        UPDATE label_sessions SET clips = clips - 1
            WHERE label_id = old.label_id AND session_id = old.session_id;
        DELETE FROM label_sessions
            WHERE label_id = old.label_id AND session_id = old.session_id AND clips = 0;
        UPDATE labels SET clips = clips - 1 WHERE id = old.label_id;
        INSERT INTO label_sessions
            SELECT new.label_id, new.session_id, 1 WHERE new.label_id IS NOT NULL
            ON CONFLICT DO UPDATE SET clips = clips + 1;
        UPDATE labels SET clips = clips + 1 WHERE id = new.label_id;
    END
    """,
    """
    CREATE TRIGGER label_session_new AFTER INSERT ON label_sessions BEGIN
        UPDATE labels SET sessions = sessions + 1 WHERE id = new.label_id;
    END
    """,
    """
    CREATE TRIGGER label_session_gone AFTER DELETE ON label_sessions BEGIN
        UPDATE labels SET sessions = sessions - 1 WHERE id = old.label_id;
    END
    """,
    """
    CREATE TABLE label_history (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        clip_id INTEGER NOT NULL,
        at REAL NOT NULL,
        author TEXT NOT NULL,
        before TEXT,
        after TEXT,
        why TEXT NOT NULL                     -- label, rename, merge, delete label, detection, ...
    )
    """,
    "CREATE INDEX label_history_by_clip ON label_history(clip_id, id)",
    """
    CREATE TABLE uploads (
        sha256 TEXT NOT NULL,                 -- of the file as it was sent
        piece_seconds REAL NOT NULL,
        clip_ids TEXT NOT NULL,               -- JSON list
        at REAL NOT NULL,
        PRIMARY KEY (sha256, piece_seconds)
    ) WITHOUT ROWID
    """,
    # --- library: dataset versions -------------------------------------------------------------
    """
    CREATE TABLE dataset_versions (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        name TEXT NOT NULL UNIQUE,
        created_at REAL NOT NULL,
        author TEXT NOT NULL,
        clips INTEGER NOT NULL,
        classes TEXT NOT NULL,                -- JSON: label -> number of clips
        protocol TEXT NOT NULL,               -- cross-validation or holdout
        folds INTEGER NOT NULL,
        sha256 TEXT NOT NULL                  -- of datasets/<name>.json
    )
    """,
    """
    CREATE TABLE dataset_clips (
        dataset_id INTEGER NOT NULL REFERENCES dataset_versions(id),
        clip_id INTEGER NOT NULL REFERENCES clips(id),   -- so a clip that one holds cannot go
        label TEXT NOT NULL,
        fold INTEGER NOT NULL,
        PRIMARY KEY (dataset_id, clip_id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX dataset_clips_by_clip ON dataset_clips(clip_id)",
    """
    CREATE TRIGGER dataset_version_never_changes
    BEFORE UPDATE ON dataset_versions
    BEGIN SELECT RAISE(ABORT, 'a dataset version never changes'); END
    """,
    """
    CREATE TRIGGER dataset_clip_never_changes
    BEFORE UPDATE ON dataset_clips
    BEGIN SELECT RAISE(ABORT, 'a dataset version never changes'); END
    """,
    """
    CREATE TRIGGER dataset_clip_never_goes
    BEFORE DELETE ON dataset_clips
    BEGIN SELECT RAISE(ABORT, 'a dataset version never changes'); END
    """,
    # --- models --------------------------------------------------------------------------------
    """
    CREATE TABLE versions (
        number INTEGER PRIMARY KEY AUTOINCREMENT,     -- never used again, even after a delete
        name TEXT NOT NULL UNIQUE,                    -- V001
        created_at REAL NOT NULL,
        job_id INTEGER,
        dataset_version TEXT,
        parent TEXT,                                  -- the version whose weights it began with
        source TEXT NOT NULL,                         -- trained or imported
        classes TEXT NOT NULL,                        -- JSON list
        accuracy REAL,
        macro_f1 REAL,
        stopped TEXT NOT NULL,
        seconds REAL NOT NULL,                        -- time that training took
        windows_missed INTEGER,                       -- by listening, while it was trained
        onnx_sha256 TEXT NOT NULL,
        card TEXT NOT NULL,                           -- JSON, as in card.json
        lineage TEXT NOT NULL DEFAULT '{}',           -- JSON: what an imported version brings along
        note TEXT NOT NULL DEFAULT '',
        deleted_at REAL
    )
    """,
    """
    CREATE TABLE deployments (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        version TEXT NOT NULL REFERENCES versions(name),
        precision TEXT NOT NULL,
        engine TEXT NOT NULL,                         -- what runs it: "onnxruntime 1.20"
        state TEXT NOT NULL,                          -- live, replaced, refused
        certificate TEXT NOT NULL,                    -- JSON
        author TEXT NOT NULL,
        created_at REAL NOT NULL,
        ended_at REAL
    )
    """,
    "CREATE UNIQUE INDEX one_live_deployment ON deployments(state) WHERE state = 'live'",
    """
    CREATE TABLE thresholds (
        label TEXT PRIMARY KEY,
        value REAL NOT NULL,
        author TEXT NOT NULL,
        at REAL NOT NULL
    )
    """,
    # --- jobs ----------------------------------------------------------------------------------
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        state TEXT NOT NULL CHECK (state IN ('queued', 'starting', 'running', 'paused',
                                             'completed', 'failed', 'cancelled')),
        reason TEXT,
        detail TEXT NOT NULL DEFAULT '',
        flavor TEXT NOT NULL,
        max_minutes INTEGER NOT NULL,
        limit_s REAL NOT NULL,
        dataset_version TEXT NOT NULL REFERENCES dataset_versions(name),
        from_version TEXT,
        version TEXT,
        idempotency_key TEXT UNIQUE,
        author TEXT NOT NULL,
        plan TEXT NOT NULL DEFAULT '{}',              -- JSON
        progress TEXT NOT NULL DEFAULT '{}',          -- JSON, the last that the child said
        submitted_at REAL NOT NULL,
        started_at REAL,
        ended_at REAL,
        used_s REAL NOT NULL DEFAULT 0,               -- of earlier attempts
        attempts INTEGER NOT NULL DEFAULT 0,
        attempt_ns INTEGER,                           -- CLOCK_BOOTTIME when this attempt began
        boot_id TEXT,
        pid INTEGER,
        pid_started INTEGER,                          -- start time of that process, in clock ticks
        cancel_requested INTEGER NOT NULL DEFAULT 0
    )
    """,
    "CREATE INDEX jobs_by_state ON jobs(state, id)",
    # The single slot is a fact of the schema: a second job in it is refused by SQLite itself.
    """
    CREATE UNIQUE INDEX one_job_holds_the_slot
        ON jobs((state IN ('starting', 'running', 'paused')))
        WHERE state IN ('starting', 'running', 'paused')
    """,
    """
    CREATE TABLE job_events (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        job_id INTEGER NOT NULL REFERENCES jobs(id),
        at REAL NOT NULL,
        state TEXT NOT NULL,
        reason TEXT,
        detail TEXT NOT NULL DEFAULT ''
    )
    """,
    "CREATE INDEX job_events_by_job ON job_events(job_id, id)",
    # --- live ----------------------------------------------------------------------------------
    """
    CREATE TABLE detections (
        id INTEGER PRIMARY KEY AUTOINCREMENT,
        microphone TEXT NOT NULL,
        label TEXT NOT NULL,
        score REAL NOT NULL,                          -- when it was decided
        peak REAL NOT NULL,                           -- the highest until it ended
        version TEXT NOT NULL,
        deployment_id INTEGER NOT NULL REFERENCES deployments(id),
        started_at REAL NOT NULL,
        ended_at REAL,
        boot_id TEXT NOT NULL,
        monotonic_ns INTEGER NOT NULL,                -- of its onset
        clock_synced INTEGER NOT NULL,
        delay_ms REAL NOT NULL,                       -- from the deciding window's last sample
        onset_delay_ms REAL NOT NULL,                 -- from the sound's onset
        clip_id INTEGER REFERENCES clips(id) ON DELETE SET NULL,
        review TEXT,                                  -- confirmed, refuted
        review_label TEXT,
        reviewed_by TEXT,
        reviewed_at REAL
    )
    """,
    "CREATE INDEX detections_by_label ON detections(label, id)",
    "CREATE INDEX detections_by_microphone ON detections(microphone, id)",
    "CREATE INDEX detections_by_time ON detections(started_at, id)",
    "CREATE INDEX detections_by_clip ON detections(clip_id)",
)
