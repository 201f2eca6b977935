"""The sending half of an import, against a daemon that fails in every way that ours may."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Call
from tests.cli.fake import Answer, FakeDaemon


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.cli.import_upload._RETRY_PAUSES_S", (0.0, 0.0))


@pytest.fixture
def sounds(tmp_path: Path) -> Path:
    """Sixty files of two classes."""
    folder = tmp_path / "sounds"
    for number in range(60):
        path = folder / ("dog" if number % 2 else "cat") / f"{number}.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound %d" % number)
    return folder


def test_all_go_in_with_label_session_and_columns(
    call: Call, fake: FakeDaemon, tmp_path: Path
) -> None:
    (tmp_path / 'say "hi"; x.wav').write_bytes(b"one")
    (tmp_path / "naïve 音.wav").write_bytes(b"two")
    (tmp_path / "labels.csv").write_text(
        'file,label,speaker\n"say ""hi""; x.wav",dog,ann\nnaïve 音.wav,,bob\n'
    )
    done = call("import", tmp_path, "--session-column", "speaker", "--url", fake.url, "--json")
    assert done.status == 0, done.err
    assert done.json["imported"] == done.json["clips"] == 2
    stored = {clip["filename"]: clip for clip in fake.clips}
    assert stored['say "hi"; x.wav']["label"] == "dog"
    assert stored['say "hi"; x.wav']["session"] == "ann"
    assert stored["naïve 音.wav"]["label"] is None
    assert stored["naïve 音.wav"]["extra"] == {"speaker": "bob"}


def test_a_second_run_sends_nothing_again(call: Call, fake: FakeDaemon, sounds: Path) -> None:
    first = call("import", sounds, "--url", fake.url, "--json")
    assert (first.status, first.json["imported"], first.json["known"]) == (0, 60, 0)
    sent = fake.count("POST", "/clips")
    again = call("import", sounds, "--url", fake.url)
    assert again.status == 0
    assert "0 files imported as 0 clips, 60 already there" in again.out
    assert fake.count("POST", "/clips") == sent
    assert len(fake.clips) == 60


def test_bad_files_are_named_and_the_others_go_in(
    call: Call, fake: FakeDaemon, sounds: Path
) -> None:
    (sounds / "dog" / "broken.wav").write_bytes(b"bad")
    (sounds / "dog" / "two\nlines.wav").write_bytes(b"never read")
    done = call("import", sounds, "--url", fake.url)
    assert done.status == 1
    assert "60 files imported as 60 clips, 2 failed" in done.out
    assert "failed  dog/broken.wav: not audio: bad (record it again)" in done.err
    assert "failed  dog/two\\nlines.wav: its name contains a line break" in done.err
    assert len(fake.clips) == 60


def test_a_file_too_large_for_the_daemon_is_named(
    call: Call, fake: FakeDaemon, sounds: Path
) -> None:
    (sounds / "dog" / "huge.wav").write_bytes(b"huge")

    def too_large(method: str, path: str, body: Any) -> Answer | None:
        if (method, path) == ("POST", "/clips") and b"huge" in body["files"]:
            return 413, {"detail": "the body is too large", "advice": "raise it", "status": 413}
        return None

    fake.before = too_large
    done = call("import", sounds, "--url", fake.url, "--json")
    assert done.status == 1
    assert [one["name"] for one in done.json["failed"]] == ["dog/huge.wav"]
    assert done.json["failed"][0]["cause"] == "the body is too large"
    assert done.json["imported"] == 60


def test_a_daemon_that_dies_midway_ends_it_and_running_again_completes_it(
    call: Call, fake: FakeDaemon, sounds: Path
) -> None:
    def dies(method: str, path: str, body: Any) -> Answer | None:
        dead = fake.count("POST", "/clips") > 1
        return (0, None) if dead and path != "/clips/known" else None

    fake.before = dies
    done = call("import", sounds, "--url", fake.url, "--connections", "1")
    assert done.status == 1
    assert "(24 of 60 files are in)" in done.err
    assert "run the same command again" in done.err
    assert len(done.err.strip().splitlines()) == 2
    fake.before = lambda method, path, body: None
    done = call("import", sounds, "--url", fake.url, "--json")
    assert done.status == 0
    assert (done.json["imported"], done.json["known"]) == (36, 24)
    assert len(fake.clips) == 60


def test_a_busy_daemon_is_asked_again_and_a_full_disk_ends_it(
    call: Call, fake: FakeDaemon, sounds: Path
) -> None:
    def busy(method: str, path: str, body: Any) -> Answer | None:
        if (method, path) == ("POST", "/clips") and fake.count("POST", "/clips") == 1:
            return 503, {"detail": "busy", "advice": "wait", "status": 503}
        return None

    fake.before = busy
    assert call("import", sounds, "--url", fake.url).status == 0
    assert len(fake.clips) == 60

    fake.clips.clear()
    full = {"detail": "the disk is full", "advice": "free some space", "status": 507}
    fake.before = lambda method, path, body: (507, full) if path == "/clips" else None
    done = call("import", sounds, "--url", fake.url, "--json")
    assert done.status == 1
    assert done.error["error"] == "the disk is full (0 of 60 files are in)"
    assert done.out == ""


def test_the_same_sound_twice_is_sent_once(call: Call, fake: FakeDaemon, tmp_path: Path) -> None:
    for name in ("cat/a.wav", "dog/a.wav", "dog/b.wav", "rat/x.wav", "rat/y.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"bad" if name.startswith("rat") else b"same")
    done = call("import", tmp_path, "--url", fake.url, "--json")
    assert done.status == 1
    assert [clip["filename"] for clip in fake.clips] == ["cat/a.wav"]
    assert (done.json["imported"], done.json["known"]) == (1, 2)
    assert [(one["name"], one["cause"]) for one in done.json["kept"]] == [
        ("dog/a.wav", "is the same sound as cat/a.wav, labelled cat: it keeps that"),
        ("dog/b.wav", "is the same sound as cat/a.wav, labelled cat: it keeps that"),
    ]
    assert [one["name"] for one in done.json["failed"]] == ["rat/x.wav", "rat/y.wav"]


def test_known_clips_get_a_missing_label_and_keep_another(
    call: Call, fake: FakeDaemon, sounds: Path
) -> None:
    call("import", sounds, "--url", fake.url)
    by_name = {clip["filename"]: clip for clip in fake.clips}
    by_name["dog/1.wav"]["label"] = None
    by_name["dog/3.wav"]["label"] = "wolf"
    done = call("import", sounds, "--url", fake.url, "--json")
    assert done.status == 0
    assert done.json["labelled"] == 1
    assert by_name["dog/1.wav"]["label"] == "dog"
    assert by_name["dog/3.wav"]["label"] == "wolf"
    assert [one["name"] for one in done.json["kept"]] == ["dog/3.wav"]


def test_a_file_that_vanishes_or_may_not_be_read(
    call: Call, fake: FakeDaemon, sounds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = sounds / "dog" / "1.wav"

    def vanish(method: str, path: str, body: Any) -> Answer | None:
        if path == "/clips/known":
            gone.unlink(missing_ok=True)
        return None

    fake.before = vanish
    done = call("import", sounds, "--url", fake.url, "--json")
    assert done.status == 1
    assert [one["name"] for one in done.json["failed"]] == ["dog/1.wav"]
    assert "No such file" in done.json["failed"][0]["cause"]
    assert len(fake.clips) == 59


def test_an_empty_folder_is_no_success(call: Call, fake: FakeDaemon, tmp_path: Path) -> None:
    done = call("import", tmp_path, "--url", fake.url)
    assert done.status == 1
    assert "there is no sound in" in done.err


def test_a_dry_run_needs_no_daemon(call: Call, sounds: Path) -> None:
    done = call("import", sounds, "--dry-run", "--json")
    assert done.status == 0
    assert done.json["files"] == 60
    assert done.json["labels"] == [
        {"label": "cat", "files": 30, "sessions": 30},
        {"label": "dog", "files": 30, "sessions": 30},
    ]
    (sounds / "dog" / "x\x07.wav").write_bytes(b"sound")
    done = call("import", sounds, "--dry-run")
    assert done.status == 1
    assert "60 files would be imported." in done.out
    assert "dog/x\\x07.wav" in done.err
