"""What goes when the disk is too full, and what never does."""

from __future__ import annotations

import time
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from appliance.care import retention as retention_module
from appliance.care.notices import Notices
from appliance.care.retention import OLD, Retention
from appliance.care.space import LEVELS
from appliance.client import Client
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.paths import DataFolder
from appliance.settings import RetentionSettings, Settings
from appliance.store.database import Database
from tests.box import Box, until
from tests.library.conftest import RATE, files, sound


class Library:
    def __init__(self, root: Path) -> None:
        self.folder = DataFolder(root)
        self.folder.create()
        self.db = Database(self.folder.database)
        self.bus = EventBus()
        self.clips = Clips(self.db, self.folder, self.bus)
        self.session = self.clips.new_session(None, "recording")
        self.stored = 0

    def store(self, label: str | None = None, **extra: Any) -> int:
        self.stored += 1
        return self.clips.add_samples(
            sound(self.stored, 0.5),
            RATE,
            source="detection" if extra else "recording",
            session=self.session,
            label=label,
            extra=extra,
        ).id

    def ids(self) -> set[int]:
        return {row["id"] for row in self.db.rows("SELECT id FROM clips")}

    def retention(self, **settings: Any) -> Retention:
        chosen = RetentionSettings(**{"max_use_percent": 100.0, **settings})
        return Retention(self.db, self.clips, self.folder, chosen, self.bus)


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(tmp_path / "data")
    yield made
    made.db.close()


def test_the_least_worth_goes_first_and_what_is_held_never(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.care.value._READ", 2)
    monkeypatch.setattr("appliance.care.retention.READ", 3)
    monkeypatch.setattr("appliance.care.retention.TOGETHER", 2)
    published = [library.store(label) for label in ("dog", "cat") for _ in range(5)]
    Datasets(library.db, library.folder).publish("first", "ann")
    rare = library.store("owl")
    common = library.store("dog")
    doubtful = library.store(suggested="dog", score=0.76)
    sure_rare = library.store(suggested="owl", score=0.99)
    sure_common = library.store(suggested="dog", score=0.99)
    kept = library.store()
    library.clips.keeping.set([kept], True)
    plain = [library.store(), library.store()]
    retention = library.retention()

    planned = retention.run(dry_run=True, wanted=1 << 40)
    order = [going.clip for going in planned.first]
    assert order == [*plain, sure_common, sure_rare, doubtful, common, rare]
    assert library.ids() == {*published, kept, *order}

    size = sum(going.bytes for going in planned.first[:3])
    gone = retention.run(wanted=size)
    assert (gone.clips, gone.bytes, gone.failed) == (3, size, 0)
    assert library.ids() == {*published, kept, *order[3:]}

    assert retention.run(wanted=1 << 40).clips == 4
    assert library.ids() == {*published, kept}
    assert len(files(library.folder)) == len(library.ids())
    tombstones = library.db.rows("SELECT * FROM label_history WHERE author = 'retention'")
    assert {row["clip_id"] for row in tombstones} == set(order)


def test_no_more_goes_than_is_wanted_and_whatever_else_fails(library: Library) -> None:
    """Ten of one size, the third of which cannot go: for the room of four, five are tried."""
    ids = [library.store() for _ in range(10)]
    with library.db.write() as tx:
        tx.conn.execute("UPDATE clips SET size = 1000")
        tx.conn.execute(
            f"CREATE TRIGGER stuck BEFORE DELETE ON clips WHEN old.id = {ids[2]}"
            " BEGIN SELECT RAISE(ABORT, 'stuck'); END"
        )
    done = library.retention().run(wanted=4000)
    assert (done.clips, done.bytes, done.failed) == (4, 4000, 1)
    assert library.ids() == {ids[2], *ids[5:]}


def test_what_a_person_did_meanwhile_counts(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ranked first, deleted later: a clip that was labelled or kept in between stays."""
    labelled, kept, third = library.store(), library.store(), library.store()
    rank = retention_module.ranked

    def slowly(*given: Any) -> Any:
        keys = rank(*given)
        library.clips.set_label([labelled], "owl", "ann", create=True)
        library.clips.keeping.set([kept], True)
        return keys

    monkeypatch.setattr(retention_module, "ranked", slowly)
    done = library.retention().run(wanted=1 << 40)
    assert (done.clips, done.failed) == (1, 2)
    assert library.ids() == {labelled, kept}
    assert third not in library.ids()


def test_where_others_fill_the_disk_labels_stay_and_it_is_said(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    labelled = library.store("dog")
    library.store()
    notices = Notices(library.folder)
    retention = Retention(
        library.db, library.clips, library.folder, RetentionSettings(), library.bus, notices
    )
    monkeypatch.setattr(retention, "_excess", lambda: 1 << 40)
    planned = retention.run(dry_run=True)
    assert (planned.clips, planned.detail) == (1, retention_module.OTHERS)
    assert not notices.unread()
    assert retention.run().clips == 1
    assert library.ids() == {labelled}
    assert "labelled stays" in notices.unread()[0].says
    monkeypatch.setattr(retention, "_excess", lambda: 1)
    assert retention.run().clips == 1
    assert "1 of them labelled by a person" in notices.unread()[0].says


def test_memory_does_not_hold_the_library(library: Library) -> None:
    """8 bytes a clip, and what is read at once: 20,000 rows as Python objects would be 10 MB."""
    library.store()
    with library.db.write() as tx:
        columns = (
            "label_id, session_id, source, duration_s, sample_rate, size, peak_dbfs, rms_dbfs,"
            " recorded_at, boot_id, monotonic_ns, clock_synced, created_at, extra"
        )
        tx.conn.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)"
            f" INSERT INTO clips (sha256, pcm_sha256, {columns}) SELECT i, i, {columns}"
            " FROM n, clips"
        )
    tracemalloc.start()
    done = library.retention().run(dry_run=True, wanted=1 << 60)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert done.clips == 20_001
    assert peak < 4_000_000


def test_age_takes_only_what_has_no_label_and_a_known_time(library: Library) -> None:
    labelled, old, before_the_clock, new = (library.store(x) for x in ("dog", None, None, None))
    with library.db.write() as tx:
        tx.conn.execute(
            "UPDATE clips SET recorded_at = 1700000000 WHERE id IN (?, ?)", (labelled, old)
        )
        tx.conn.execute("UPDATE clips SET recorded_at = 99 WHERE id = ?", (before_the_clock,))
    done = library.retention(max_age_days=30.0).run()
    assert (done.clips, done.reasons) == (1, {OLD: 1})
    assert library.ids() == {labelled, before_the_clock, new}


def test_another_interval_counts_from_when_it_was_set(library: Library) -> None:
    def every(hours: float) -> Settings:
        return Settings(retention=RetentionSettings(max_use_percent=100.0, every_h=hours))

    retention = library.retention(every_h=1000.0)
    retention.start()
    for hours in (500.0, 0.0):
        retention.use(every(hours))
        time.sleep(0.05)
        assert retention.latest() is None, "only the wait begins anew"
    retention.use(every(1e-6))
    until(lambda: retention.latest() is not None, "a run")
    retention.stop()
    last = retention.latest()
    assert last is not None
    assert last.state == "done"


def test_one_clip_that_cannot_go_does_not_stop_the_others(library: Library) -> None:
    stuck, other, third = library.store(), library.store(), library.store()
    with library.db.write() as tx:
        tx.conn.execute("UPDATE clips SET extra = '{not JSON' WHERE id = ?", (third,))
        tx.conn.execute(
            f"CREATE TRIGGER stuck BEFORE DELETE ON clips WHEN old.id = {stuck}"
            " BEGIN SELECT RAISE(ABORT, 'stuck'); END"
        )
    # A file that cannot be unlinked: a folder is in its place.
    sha256 = library.clips.get(other).sha256
    library.folder.clip(sha256).unlink()
    library.folder.clip(sha256).mkdir()
    done = library.retention().run(wanted=1 << 40)
    assert (done.clips, done.failed) == (2, 1)
    assert library.ids() == {stuck}
    noted = library.db.rows("SELECT clip_id FROM label_history WHERE author = 'retention'")
    assert [row["clip_id"] for row in noted] == [other, third], "no tombstone of what stays"


def test_the_box_says_what_would_go_and_who_let_it_go(tmp_path: Path) -> None:
    library = Library(tmp_path / "data")
    for _ in range(2):
        library.store()
    library.db.close()
    settings = {"MAX_USE_PERCENT": "100", "MAX_AGE_DAYS": "0.000001"}
    box = Box(tmp_path / "data", **{f"EARMARK_RETENTION_{name}": v for name, v in settings.items()})
    client = box.start()

    def run(*, dry_run: bool) -> dict[str, Any]:
        assert client.post("/retention", {"dry_run": dry_run})["dry_run"] is dry_run
        return until(
            lambda: (run := client.get("/retention")["latest"])["state"] != "running" and run,
            "the run ends",
        )

    try:
        assert client.get("/status")["space"]["level"] in LEVELS
        planned = run(dry_run=True)
        assert (planned["state"], planned["clips"], planned["wanted"]) == ("done", 2, 0)
        assert len(list(client.pages("/clips"))) == 2
        assert run(dry_run=False)["clips"] == 2
        assert list(client.pages("/clips")) == []
        size = planned["bytes"]
        told = until(
            lambda: (found := audited(client)) and len(found) == 2 and found, "both are written"
        )
        assert [(one["what"], one["status"]) for one in told] == [
            (f"RETENTION would-delete:2,bytes:{size}", 200),
            (f"RETENTION deleted:2,bytes:{size}", 200),
        ]
        asked = [one["who"] for one in client.get("/audit")["items"] if "POST" in one["what"]]
        assert [one["who"] for one in told] == asked[:2], "who asked for it"
    finally:
        assert box.stop() == 0


def audited(client: Client) -> list[dict[str, Any]]:
    """What the audit log says of runs."""
    items = client.get("/audit")["items"]
    return [one for one in items if one["what"].startswith("RETENTION")]
