"""What an import takes from a folder of classes, and what it says of the rest."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from appliance.cli.import_folder import ImportPlan, natural, plan_import
from appliance.errors import InvalidInput


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"sound")


def failures(plan: ImportPlan) -> dict[str, str]:
    return {one.name: one.cause for one in plan.failed}


def skips(plan: ImportPlan) -> dict[str, str]:
    return {one.name: one.cause for one in plan.skipped}


def test_a_folder_a_class_in_natural_order(tmp_path: Path) -> None:
    put(tmp_path, "dog/clip10.wav", "dog/clip9.wav", "cat/deep/er/x.FLAC", "cat/a.mp3")
    plan = plan_import(tmp_path)
    assert [(entry.name, entry.label) for entry in plan.entries] == [
        ("cat/a.mp3", "cat"),
        ("cat/deep/er/x.FLAC", "cat"),
        ("dog/clip9.wav", "dog"),
        ("dog/clip10.wav", "dog"),
    ]
    assert all(entry.session is None for entry in plan.entries)
    assert not plan.failed
    assert not plan.skipped


def test_what_is_left_out_is_named(tmp_path: Path) -> None:
    put(tmp_path, "dog/a.wav", "dog/.hidden.wav", "dog/notes.txt", ".git/x.wav", "__MACOSX/y.wav")
    put(tmp_path, "dog/song.m4a", "elsewhere/b.wav")
    (tmp_path / "linked").symlink_to(tmp_path / "elsewhere", target_is_directory=True)
    plan = plan_import(tmp_path)
    assert [entry.name for entry in plan.entries] == ["dog/a.wav", "elsewhere/b.wav"]
    assert skips(plan) == {
        ".git/": "hidden",
        "__MACOSX/": "hidden",
        "dog/.hidden.wav": "hidden",
        "dog/notes.txt": "no audio file by its name",
        "linked/": "a link to another folder",
    }
    # A sound that cannot be decoded is a failure, not "no audio".
    assert failures(plan) == {"dog/song.m4a": ".m4a cannot be decoded"}


def test_names_that_no_screen_shows_truly_are_refused(tmp_path: Path) -> None:
    put(tmp_path, "dog/two\nlines.wav", "dog/esc\x1b[31m.wav", "dog/separator\u2028.wav")
    put(tmp_path, os.fsdecode(b"dog/latin\xe9.wav"))
    put(tmp_path, "bad\nclass/a.wav", f"{'x' * 65}/a.wav")
    plan = plan_import(tmp_path)
    assert plan.entries == []
    causes = failures(plan)
    control = "its name contains a line break or another control character"
    assert causes["dog/two\nlines.wav"] == control
    assert causes["dog/esc\x1b[31m.wav"] == control
    assert causes["dog/separator\u2028.wav"] == control
    assert causes["bad\nclass/a.wav"] == control
    assert causes["dog/latin\udce9.wav"] == "its name is not valid UTF-8"
    assert "longer than 64 characters" in causes[f"{'x' * 65}/a.wav"]


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    put(tmp_path, "dog/a.wav")
    os.mkfifo(tmp_path / "dog" / "pipe.wav")
    (tmp_path / "dog" / "gone.wav").symlink_to(tmp_path / "nowhere.wav")
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(tmp_path / "dog" / "s.wav"))
        plan = plan_import(tmp_path)
    assert [entry.name for entry in plan.entries] == ["dog/a.wav"]
    assert failures(plan) == {
        "dog/gone.wav": "a link that leads nowhere",
        "dog/pipe.wav": "not a regular file",
        "dog/s.wav": "not a regular file",
    }


def test_a_label_for_all_and_files_without_a_class(tmp_path: Path) -> None:
    put(tmp_path, "a.wav", "dog/b.wav")
    plan = plan_import(tmp_path)
    assert [(e.name, e.label) for e in plan.entries] == [("a.wav", None), ("dog/b.wav", "dog")]
    assert plan.notes == ["1 file lies in no class folder, so without a label"]
    plan = plan_import(tmp_path, label="hum")
    assert {entry.label for entry in plan.entries} == {"hum"}
    assert plan.notes == []


def test_a_data_folder_is_no_folder_of_recordings(tmp_path: Path) -> None:
    put(tmp_path, "box/earmark.db", "box/clips/ab/c.flac", "dog/a.wav")
    for path in (tmp_path / "box", tmp_path / "box" / "clips", tmp_path / "box/clips/ab/c.flac"):
        with pytest.raises(InvalidInput, match="is the data folder of an Earmark") as refused:
            plan_import(path)
        assert "earmark export" in refused.value.advice
    plan = plan_import(tmp_path)
    assert [entry.name for entry in plan.entries] == ["dog/a.wav"]
    assert [one.name for one in plan.skipped] == ["box/"]
    with pytest.raises(InvalidInput, match="there is nothing at"):
        plan_import(tmp_path / "dgo")


def test_one_file_by_itself(tmp_path: Path) -> None:
    put(tmp_path, "odd.name")
    plan = plan_import(tmp_path / "odd.name", label="dog")
    assert [(e.name, e.label) for e in plan.entries] == [("odd.name", "dog")]


def test_the_session_from_the_name(tmp_path: Path) -> None:
    put(tmp_path, "dog/1-100-A.ogg", "dog/1-100-B.ogg", "dog/2-200-A.ogg", "dog/other.ogg")
    plan = plan_import(tmp_path, session_pattern=r"^\d-(\d+)")
    assert [entry.session for entry in plan.entries] == ["100", "100", "200", None]
    assert plan.notes == ["1 file has no session: each stands alone, as one recording"]
    # Without a group the whole match is the session; with several they are joined.
    assert plan_import(tmp_path, session_pattern=r"\d-\d+").entries[0].session == "1-100"
    assert plan_import(tmp_path, session_pattern=r"(\d)-(\d+)").entries[2].session == "2-200"


def test_a_pattern_that_cannot_help_is_an_error(tmp_path: Path) -> None:
    put(tmp_path, "dog/a.wav")
    with pytest.raises(InvalidInput, match="not a regular expression"):
        plan_import(tmp_path, session_pattern="(")
    with pytest.raises(InvalidInput, match=r"finds nothing in any of the 1 names.*a\.wav"):
        plan_import(tmp_path, session_pattern=r"^\d+")


def test_a_column_needs_a_table(tmp_path: Path) -> None:
    put(tmp_path, "dog/a.wav")
    with pytest.raises(InvalidInput, match=r"needs a labels\.csv"):
        plan_import(tmp_path, session_column="speaker")


def test_a_table_one_level_down_is_pointed_out(tmp_path: Path) -> None:
    put(tmp_path, "set/a.wav", "set/labels.csv")
    assert plan_import(tmp_path).notes == [
        "set/ has a labels.csv of its own: import that folder by itself to use it"
    ]


def test_natural_order_is_total() -> None:
    names = ["b", "a10", "a9", "A9", "1", "01", "a", "10x", "9x", "a١"]
    other_way = list(reversed(names))
    assert sorted(names, key=natural) == sorted(other_way, key=natural)
    assert sorted(["s10.wav", "s9.wav", "s1.wav"], key=natural) == ["s1.wav", "s9.wav", "s10.wav"]


def test_esc10_by_its_names(test_data: Path) -> None:
    plan = plan_import(test_data / "esc10", session_pattern=r"^\d-(\d+)")
    assert len(plan.entries) == 400
    assert len({entry.label for entry in plan.entries}) == 10
    # Several clips of ESC-10 come from one recording: fewer sessions than clips.
    assert len({entry.session for entry in plan.entries}) < 400
    assert list(skips(plan)) == ["LICENSE-and-attribution.txt"]
    assert not plan.failed
