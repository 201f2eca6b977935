"""Sounds are cut and deleted, and what an earlier process left is swept away."""

from __future__ import annotations

import os
import threading
import time

import pytest

from appliance import clock
from appliance.audio.flac import read_flac, write_flac
from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.library.filters import ClipFilter
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.library.conftest import RATE, Add, files, sound


def test_cut_makes_a_new_clip_of_the_same_session(clips: Clips) -> None:
    session = clips.new_session(None, "recording")
    stamp = clock.now()
    parent = clips.add_samples(
        sound(5, 2.0), RATE, source="recording", session=session, stamp=stamp, frame=100
    )
    cut = clips.cut(parent.id, 0.5, 1.25, "dog", "ann")

    samples, _ = read_flac(clips.path(parent))
    part, _ = read_flac(clips.path(cut))
    assert (part == samples[4000:10000]).all()
    assert (cut.session, cut.parent, cut.source, cut.label) == (session, parent.id, "cut", "dog")
    assert (cut.start_s, cut.duration_s, cut.frame) == (0.5, 0.75, 4100)
    assert cut.monotonic_ns - stamp.monotonic_ns == 500_000_000
    assert cut.recorded_at == pytest.approx(stamp.wall + 0.5)

    with pytest.raises(Conflict, match=f"clip {cut.id} already"):
        clips.cut(parent.id, 0.5, 1.25, "cat", "ann")
    assert clips.get(cut.id).label == "dog"
    for start, end in (
        (-1, 1),
        (2.5, 3),
        (1, 1),
        (1.5, 1),
        (1, 2.2),
        (float("nan"), 1),
        (0, float("nan")),
    ):
        with pytest.raises(InvalidInput, match="has no stretch"):
            clips.cut(parent.id, start, end, None, "ann")


def test_a_refused_cut_does_not_label_the_clip_that_it_met(clips: Clips, add: Add) -> None:
    parent = add()
    with pytest.raises(Conflict):
        clips.cut(parent.id, 0, parent.duration_s, "dog", "ann")
    assert clips.get(parent.id).label is None
    assert clips.history(parent.id) == []


def test_a_deleted_clip_loses_its_row_then_its_file_and_keeps_its_history(
    clips: Clips, add: Add, folder: DataFolder, bus: EventBus
) -> None:
    clip = add("dog")
    clips.delete(clip.id, "ann")
    with pytest.raises(NotFound):
        clips.get(clip.id)
    assert files(folder) == set()
    assert [(c.before, c.after, c.why) for c in clips.history(clip.id)] == [
        (None, "dog", "recording"),
        ("dog", None, "delete clip"),
    ]
    assert bus.since(0)[-1].data == {"action": "deleted", "clips": [clip.id]}
    with pytest.raises(NotFound):
        clips.delete(clip.id, "ann")
    with pytest.raises(NotFound):
        clips.history(clip.id + 1)


def test_a_delete_that_is_undone_keeps_the_file(clips: Clips, add: Add, db: Database) -> None:
    clip = add("dog")

    def undone() -> None:
        with db.write():
            clips.delete(clip.id, "ann")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        undone()
    assert clips.path(clips.get(clip.id)).exists()


def test_the_same_sound_arriving_while_it_is_deleted_never_loses_its_file(
    clips: Clips, folder: DataFolder
) -> None:
    session = clips.new_session(None, "import")
    failures: list[Exception] = []
    stop = threading.Event()

    def deleting() -> None:
        while not stop.is_set():
            try:
                for clip in clips.page(ClipFilter()).items:
                    clips.delete(clip.id, "thread")
            except Exception as error:
                failures.append(error)
                return

    thread = threading.Thread(target=deleting)
    thread.start()
    for attempt in range(60):
        file = folder.incoming / f"{attempt}.flac"
        clips.add_piece(write_flac(sound(1), RATE, file), source="import", session=session)
    stop.set()
    thread.join()
    assert failures == []
    left = clips.page(ClipFilter()).items
    assert all(clips.path(clip).exists() for clip in left)
    assert len(files(folder)) == len(left)


def test_the_sweep_removes_what_an_earlier_process_left_and_nothing_else(
    clips: Clips, add: Add, folder: DataFolder
) -> None:
    clip = add()
    now = time.time()
    old, future, mine = (folder.incoming / name for name in ("old", "future", "mine"))
    for file in (old, future, mine):
        file.write_bytes(b"x")
    os.utime(old, (now - 86400, now - 86400))
    os.utime(future, (now + 86400, now + 86400))
    orphan = folder.clip("ab" * 32)
    orphan.parent.mkdir(exist_ok=True)
    orphan.write_bytes(b"x")
    os.utime(orphan, (now - 86400, now - 86400))

    assert clips.sweep() == 2
    assert [file.name for file in folder.incoming.iterdir()] == ["mine"]
    assert orphan.exists()
    assert clips.path(clip).exists()
