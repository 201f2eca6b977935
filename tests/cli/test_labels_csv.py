"""labels.csv as spreadsheets and strangers write it."""

from __future__ import annotations

from pathlib import Path

import pytest

from appliance.cli.import_folder import ImportPlan, plan_import
from appliance.errors import InvalidInput


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a.wav", "b.wav", "sub/c.wav"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"sound")
    return tmp_path


def plan_of(folder: Path, text: str | bytes, **options: str) -> ImportPlan:
    raw = text if isinstance(text, bytes) else text.encode()
    (folder / "labels.csv").write_bytes(raw)
    return plan_import(folder, **options)  # type: ignore[arg-type]


def taken(plan: ImportPlan) -> list[tuple[str, str | None]]:
    return [(entry.name, entry.label) for entry in plan.entries]


def causes(plan: ImportPlan) -> dict[str, str]:
    return {one.name: one.cause for one in plan.failed}


WANTED = [("a.wav", "dog"), ("b.wav", "cat"), ("sub/c.wav", None)]
PLAIN = "file,label\na.wav,dog\nb.wav,cat\nsub/c.wav,\n"


@pytest.mark.parametrize(
    "content",
    [
        PLAIN.encode(),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        PLAIN.replace("\n", "\r\n").encode(),
        PLAIN.replace("\n", "\r\n").rstrip().encode(),
        PLAIN.replace(",", ";").encode(),
        PLAIN.replace(",", "\t").encode(),
        PLAIN.replace(",", "|").encode(),
        b"sep=;\r\n" + PLAIN.replace(",", ";").encode(),
        PLAIN.replace("file,label", " File , LABEL ").encode(),
        PLAIN.replace("a.wav,dog", '"a.wav","dog"').encode(),
        PLAIN.replace("\nb", "\n\n  \nb").encode(),
        b"label,file\ndog,a.wav\ncat,b.wav\n,sub/c.wav\n",
        PLAIN.replace("sub/c.wav", "sub\\c.wav").encode(),
        PLAIN.replace("sub/c.wav", "./sub//c.wav").encode(),
        b"file,label\na.wav,dog\nb.wav,cat\nsub/c.wav\n",
    ],
)
def test_every_spelling_of_the_same_table(folder: Path, content: bytes) -> None:
    plan = plan_of(folder, content)
    assert taken(plan) == WANTED
    assert not plan.failed


def test_further_columns_are_kept_and_one_is_the_session(folder: Path) -> None:
    plan = plan_of(
        folder,
        "file,label,speaker,note\na.wav,dog,ann,\nb.wav,dog,ann,loud\nsub/c.wav,dog,,x\n",
        session_column="Speaker",
    )
    assert [entry.session for entry in plan.entries] == ["ann", "ann", None]
    assert [entry.extra for entry in plan.entries] == [
        {"speaker": "ann"},
        {"speaker": "ann", "note": "loud"},
        {"note": "x"},
    ]
    assert plan.notes == ["1 file has no session: each stands alone, as one recording"]


def test_no_way_out_of_the_folder(folder: Path) -> None:
    outside = folder.parent / "secret.wav"
    outside.write_bytes(b"sound")
    rows = ["../secret.wav", "sub/../../secret.wav", str(outside), "..\\secret.wav", "C:\\x.wav"]
    plan = plan_of(folder, "file,label\n" + "".join(f"{row},dog\n" for row in rows))
    assert plan.entries == []
    assert causes(plan) == {
        "../secret.wav": "line 2: leads out of the folder",
        "sub/../../secret.wav": "line 3: leads out of the folder",
        str(outside): "line 4: an absolute path",
        "..\\secret.wav": "line 5: leads out of the folder",
        "C:\\x.wav": "line 6: an absolute path",
    }


def test_every_bad_row_by_name_and_cause(folder: Path) -> None:
    plan = plan_of(
        folder,
        "file,label\ngone.wav,dog\nsub,dog\n,dog\na.wav,dog,more\nb.wav,x/y\n"
        f'sub/c.wav,{"l" * 65}\n"two\nlines.wav",dog\n',
    )
    assert plan.entries == []
    found = causes(plan)
    assert found["gone.wav"] == "line 2: there is no such file"
    assert found["sub"] == "a folder, not a file"
    assert found["line 4"] == "names no file"
    assert found["a.wav"] == "line 5 has 3 columns, the first line has 2"
    assert found["b.wav"] == "line 6: 'x/y' cannot be a label"
    assert "longer than 64" in found["sub/c.wav"]
    assert "line break" in found["two\nlines.wav"]


def test_a_file_twice(folder: Path) -> None:
    plan = plan_of(folder, "file,label\na.wav,dog\nb.wav,dog\n./a.wav,dog\nb.wav,cat\nb.wav,cow\n")
    assert taken(plan) == [("a.wav", "dog")]
    assert plan.notes == ["1 lines of labels.csv repeat a file: it is taken once"]
    assert causes(plan) == {"b.wav": "labelled both 'dog' (line 3) and 'cat' (line 5)"}


def test_sounds_that_it_does_not_name_are_pointed_out(folder: Path) -> None:
    plan = plan_of(folder, "file,label\na.wav,dog\n")
    assert [(one.name, one.cause) for one in plan.skipped] == [
        ("b.wav", "not in labels.csv"),
        ("sub/c.wav", "not in labels.csv"),
    ]


def test_any_table_beside_its_sounds_can_be_named(folder: Path) -> None:
    (folder / "mine.CSV").write_text("file,label\na.wav,dog\n")
    assert taken(plan_import(folder / "mine.CSV")) == [("a.wav", "dog")]


def test_a_name_in_the_other_unicode_form_is_found(folder: Path) -> None:
    (folder / "cafe\u0301.wav").write_bytes(b"sound")
    plan = plan_of(folder, "file,label\ncaf\u00e9.wav,dog\n")
    assert [entry.path.exists() for entry in plan.entries] == [True]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "it is empty"),
        (b"\xef\xbb\xbf \n", "it is empty"),
        (b"a.wav,dog\n", "its first line is 'a.wav,dog'"),
        (b"file;name\na.wav;dog\n", "no columns file and label"),
        (b"file,label\na.wav,h\xfcnd\n", "is not UTF-8: see line 2"),
        (b'file,label\na.wav,"dog\n', "line 2"),
        (b"file,label,x,X\n", "two columns 'x'"),
        (b"RIFF\0\0file,label", "contains zero bytes"),
    ],
)
def test_a_table_that_cannot_be_read_says_why(folder: Path, content: bytes, message: str) -> None:
    with pytest.raises(InvalidInput, match=message) as refused:
        plan_of(folder, content)
    assert refused.value.advice


def test_options_that_contradict_the_table(folder: Path) -> None:
    with pytest.raises(InvalidInput, match="no column 'voice'") as refused:
        plan_of(folder, "file,label,speaker\na.wav,dog,ann\n", session_column="voice")
    assert refused.value.advice == "it has file, label, speaker"
    with pytest.raises(InvalidInput, match=r"--label does not go with labels\.csv"):
        plan_of(folder, PLAIN, label="dog")


def test_fsdd_by_its_speakers(test_data: Path) -> None:
    plan = plan_import(test_data / "fsdd", session_column="speaker")
    assert len(plan.entries) == 3000
    assert {entry.label for entry in plan.entries} == set("0123456789")
    assert len({entry.session for entry in plan.entries}) == 6
    assert not plan.failed
