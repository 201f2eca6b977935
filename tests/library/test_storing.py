"""Sounds go in: durably, once, with all that is known of them, or not at all."""

from __future__ import annotations

import errno
import hashlib
import os
from pathlib import Path

import pytest

from appliance import clock
from appliance.audio.flac import Piece, read_flac, write_flac
from appliance.errors import Conflict, InvalidInput, LowSpace, NotFound, StoreError
from appliance.events import EventBus
from appliance.library import ingest
from appliance.library.clips import Clips, NewPiece
from appliance.library.labels import Labels
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.library.conftest import RATE, Add, files, sound


def piece(folder: DataFolder, seed: int) -> Piece:
    return write_flac(sound(seed), RATE, folder.incoming / f"test-{seed}.flac")


def test_a_clip_keeps_its_sound_and_all_that_is_known(clips: Clips, folder: DataFolder) -> None:
    samples = sound(1, 0.5)
    stamp = clock.now()
    session = clips.new_session("kitchen", "recording", "usb-1")
    clip = clips.add_samples(
        samples,
        RATE,
        source="trigger",
        session=session,
        label=" dog ",
        microphone="usb-1",
        filename="a\nb.wav",
        start_s=3.0,
        stamp=stamp,
        frame=4800,
        extra={"room": "kitchen"},
        author="ann",
    )
    content = clips.path(clip).read_bytes()
    back, rate = read_flac(clips.path(clip))

    assert hashlib.sha256(content).hexdigest() == clip.sha256
    assert clips.path(clip) == folder.clips / clip.sha256[:2] / f"{clip.sha256}.flac"
    assert rate == RATE
    assert abs(back - samples).max() < 1 / 32000
    assert clips.get(clip.id) == clip
    assert (clip.label, clip.session_key, clip.microphone) == ("dog", "kitchen", "usb-1")
    assert (clip.start_s, clip.frame, clip.extra) == (3.0, 4800, {"room": "kitchen"})
    assert (clip.recorded_at, clip.monotonic_ns) == (stamp.wall, stamp.monotonic_ns)
    assert clip.size == len(content)
    assert clip.filename is not None
    assert "\n" not in clip.filename
    assert [(c.author, c.before, c.after, c.why) for c in clips.history(clip.id)] == [
        ("ann", None, "dog", "trigger")
    ]
    assert files(folder) == {f"{clip.sha256[:2]}/{clip.sha256}.flac"}


def test_the_same_sound_twice_is_one_clip(
    clips: Clips, labels: Labels, folder: DataFolder, db: Database
) -> None:
    session = clips.new_session(None, "import")
    first, new = clips.add_piece(piece(folder, 1), source="import", session=session)
    assert new

    again, new = clips.add_piece(
        piece(folder, 1), source="import", session=session, label="dog", author="ann"
    )
    assert (again.id, new, again.label) == (first.id, False, "dog")
    assert [change.after for change in clips.history(first.id)] == ["dog"]

    # A third label is refused and said so; the clip keeps what it has, and nothing is created.
    [other] = clips.add_pieces(
        [NewPiece(piece(folder, 1), source="import", session=session, label="cat")]
    )
    assert (other.clip.label, other.new, other.refused_label) == ("dog", False, "cat")
    assert [count.name for count in labels.all()] == ["dog"]
    assert clips.count() == 1
    assert len(files(folder)) == 1


def test_a_batch_is_one_commit_and_finds_its_own_repetitions(
    clips: Clips, folder: DataFolder, bus: EventBus
) -> None:
    session = clips.new_session(None, "import")
    batch = [
        NewPiece(piece(folder, seed), source="import", session=session, label="dog")
        for seed in (1, 2, 3)
    ]
    twin = write_flac(sound(2), RATE, folder.incoming / "twin.flac")
    batch.append(NewPiece(twin, source="import", session=session, label="cat"))

    added = clips.add_pieces(batch)

    assert [result.new for result in added] == [True, True, True, False]
    assert added[3].clip.id == added[1].clip.id
    assert added[3].refused_label == "cat"
    events = [event.data for event in bus.since(0) if event.topic == "clip"]
    assert events == [{"action": "added", "clips": [result.clip.id for result in added[:3]]}]
    assert {name.split("/")[0] for name in files(folder)} != {"incoming"}
    assert len(files(folder)) == 3


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"source": "rumour"}, InvalidInput),
        ({"session": 99}, NotFound),
        ({"label": "a/b"}, InvalidInput),
        ({"label": "two\nlines"}, InvalidInput),
        ({"extra": {"x": object()}}, InvalidInput),
        ({"extra": {"x": "y" * 20_000}}, InvalidInput),
    ],
)
def test_a_refused_batch_leaves_nothing(
    clips: Clips, folder: DataFolder, bus: EventBus, change: dict[str, object], error: type
) -> None:
    session = clips.new_session(None, "import")
    good = NewPiece(piece(folder, 1), source="import", session=session)
    bad = NewPiece(
        piece(folder, 2),
        **{"source": "import", "session": session, **change},  # type: ignore[arg-type]
    )
    with pytest.raises(error):
        clips.add_pieces([good, bad])
    assert clips.count() == 0
    assert files(folder) == set()
    assert bus.since(0) == []


def test_too_long_a_sound_is_refused(clips: Clips, folder: DataFolder) -> None:
    session = clips.new_session(None, "recording")
    for seconds in (60.5, 300):
        with pytest.raises(InvalidInput, match="too long"):
            clips.add_samples(sound(1, seconds), RATE, source="recording", session=session)
    assert files(folder) == set()


@pytest.mark.parametrize(("number", "error"), [(errno.ENOSPC, LowSpace), (errno.EIO, StoreError)])
def test_a_disk_that_refuses_leaves_neither_row_nor_file(
    clips: Clips,
    folder: DataFolder,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
    error: type[Exception],
) -> None:
    """The fsync of the folder fails after both files were moved to their names."""
    session = clips.new_session(None, "import")
    batch = [NewPiece(piece(folder, n), source="import", session=session) for n in (1, 2)]
    true_fsync = ingest.fsync_folder

    def failing(path: Path) -> None:
        if path == folder.clips:
            raise OSError(number, os.strerror(number))
        true_fsync(path)

    with monkeypatch.context() as patch:
        patch.setattr(ingest, "fsync_folder", failing)
        with pytest.raises(error):
            clips.add_pieces(batch)
    assert clips.count() == 0
    assert files(folder) == set()

    clip = clips.add_samples(sound(1), RATE, source="recording", session=session)
    assert clips.path(clip).exists()


def test_a_failed_commit_takes_its_files_back(
    clips: Clips, folder: DataFolder, db: Database
) -> None:
    """SQLite itself runs out of room: its largest size is set to what it has now."""
    session = clips.new_session(None, "import")
    with db.write() as tx:
        [pages] = tx.conn.execute("PRAGMA page_count").fetchone()
        tx.conn.execute(f"PRAGMA max_page_count={pages}")

    def fill() -> None:
        for start in range(0, 1000, 50):
            pieces = [piece(folder, number) for number in range(start, start + 50)]
            more = {"text": "x" * 4000}
            clips.add_pieces(
                [NewPiece(p, source="import", session=session, extra=more) for p in pieces]
            )

    with pytest.raises(LowSpace):
        fill()
    rows = {row["sha256"] for row in db.rows("SELECT sha256 FROM clips")}
    assert {name[3:67] for name in files(folder)} == rows


def test_uploads_are_known_by_hash_and_length_of_piece(clips: Clips, add: Add) -> None:
    first, second = add(), add()
    sha256 = "0" * 64
    assert clips.known_upload(sha256, 60) is None
    clips.remember_upload(sha256, 60, [second.id, first.id])
    assert clips.known_upload(sha256, 60) == [second.id, first.id]
    assert clips.known_upload(sha256, 30) is None
    with pytest.raises(InvalidInput):
        clips.known_upload("../etc", 60)
    # A clip that was deleted since must come again, and then the file is wanted.
    clips.delete(first.id, "ann")
    assert clips.known_upload(sha256, 60) is None


def test_sessions_have_one_key_each(clips: Clips) -> None:
    made = clips.new_session("garden", "recording", "usb-1")
    assert clips.session_for("garden", "import") == made
    assert clips.session_for(" garden ", "import") == made
    assert clips.sessions.find("garden").microphone == "usb-1"
    with pytest.raises(Conflict):
        clips.new_session("garden", "recording")
    assert clips.new_session(None, "trigger") != clips.new_session(None, "trigger")
    for key in ("", " ", "a\nb", "x" * 201):
        with pytest.raises(InvalidInput):
            clips.session_for(key, "import")
    with pytest.raises(NotFound):
        clips.sessions.get(99)


def test_contents_are_durable_before_they_have_a_name_and_names_before_the_rows(
    clips: Clips, folder: DataFolder, db: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order of the promise, as the kernel is asked for it, for a whole batch."""
    asked: list[tuple[str, str]] = []
    true_fsync, true_rename = os.fsync, Path.rename

    def fsync(descriptor: int) -> None:
        true_fsync(descriptor)
        asked.append(("fsync", str(Path(f"/proc/self/fd/{descriptor}").readlink())))

    def rename(self: Path, target: Path) -> Path:
        asked.append(("rename", str(self)))
        return true_rename(self, target)

    session = clips.new_session(None, "import")
    pieces = [piece(folder, seed) for seed in range(12)]
    assert not any(one.durable for one in pieces)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        patch.setattr(Path, "rename", rename)
        batch = [NewPiece(one, source="import", session=session) for one in pieces]
        added = clips.add_pieces(batch)
    contents = {("fsync", str(one.path)) for one in pieces}
    renames = {("rename", str(one.path)) for one in pieces}
    assert set(asked[:12]) == contents
    assert set(asked[12:24]) == renames
    folders = {("fsync", str(clips.path(one.clip).parent)) for one in added}
    assert set(asked[24:]) == folders | {("fsync", str(folder.clips))}


def test_a_sound_that_cannot_be_made_durable_leaves_neither_row_nor_file(
    clips: Clips, folder: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of the fsyncs of a batch fails: all of it is discarded, and nothing is tried twice."""
    session = clips.new_session(None, "import")
    batch = [NewPiece(piece(folder, n), source="import", session=session) for n in range(5)]
    true_fsync, asked = os.fsync, []

    def failing(descriptor: int) -> None:
        name = str(Path(f"/proc/self/fd/{descriptor}").readlink())
        asked.append(name)
        if name.endswith("test-3.flac"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        true_fsync(descriptor)

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", failing)
        with pytest.raises(StoreError):
            clips.add_pieces(batch)
    assert len(asked) == len(set(asked))
    assert clips.count() == 0
    assert files(folder) == set()
