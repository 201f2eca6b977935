"""A box that starts in 1970, and whose clock is set later."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.care import clock_set
from appliance.care.clock_set import ClockSet
from appliance.clock import Stamp
from appliance.store.database import Database


def _clip(db: Database, number: int, boot: str, monotonic_s: float, synced: int) -> None:
    with db.write() as tx:
        tx.conn.execute(
            "INSERT INTO clips (id, sha256, pcm_sha256, session_id, source, duration_s,"
            " sample_rate, size, peak_dbfs, rms_dbfs, recorded_at, boot_id, monotonic_ns,"
            " clock_synced, created_at) VALUES (?, ?, ?, 1, 'recording', 1, 16000, 1, 0, 0,"
            " ?, ?, ?, ?, 0)",
            (number, f"a{number}", f"b{number}", 5.0, boot, int(monotonic_s * 1e9), synced),
        )


def test_rows_of_this_boot_get_their_time_when_the_clock_is_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clock_set, "BATCH", 2)
    db = Database(tmp_path / "earmark.db")
    with db.write() as tx:
        tx.conn.execute("INSERT INTO sessions VALUES (1, 's', 'recording', NULL, 0)")
        tx.conn.execute(
            "INSERT INTO versions (name, created_at, source, classes, stopped, seconds,"
            " onnx_sha256, card) VALUES ('V001', 0, 'trained', '[]', '', 0, '', '{}')"
        )
        tx.conn.execute(
            "INSERT INTO deployments (id, version, precision, engine, state, certificate, author,"
            " created_at) VALUES (1, 'V001', 'fp32', '', 'live', '{}', '', 0)"
        )
        for number, ended in ((1, 9.5), (2, None)):
            tx.conn.execute(
                "INSERT INTO detections (id, microphone, label, score, peak, version,"
                " deployment_id, started_at, ended_at, boot_id, monotonic_ns, clock_synced,"
                " delay_ms, onset_delay_ms) VALUES (?, 'm', 'dog', 1, 1, 'V001', 1, 7, ?,"
                " 'now', 30000000000, 0, 0, 0)",
                (number, ended),
            )
    for number in range(1, 6):
        _clip(db, number, "now", number, synced=0)
    _clip(db, 6, "earlier", 1, synced=0)
    _clip(db, 7, "now", 1, synced=1)

    stamp = Stamp("now", 100 * 10**9, 200.0, clock_synced=False)
    corrector = ClockSet(db, lambda: stamp)
    assert corrector.look() == 0
    stamp = Stamp("now", 110 * 10**9, 1_800_000_110.0, clock_synced=True)
    assert corrector.look() == 7
    assert corrector.look() == 0

    rows = db.rows("SELECT id, recorded_at, clock_synced FROM clips ORDER BY id")
    assert [row["recorded_at"] - 1_800_000_000 for row in rows[:5]] == [1, 2, 3, 4, 5]
    assert [row["clock_synced"] for row in rows] == [1, 1, 1, 1, 1, 0, 1]
    assert [row["recorded_at"] for row in rows[5:]] == [5.0, 5.0]
    found = db.rows("SELECT started_at, ended_at FROM detections ORDER BY id")
    assert [tuple(row.values()) for row in found] == [
        (1_800_000_030.0, 1_800_000_032.5),
        (1_800_000_030.0, None),
    ]
    db.close()
