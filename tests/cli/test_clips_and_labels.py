"""Importing, finding, labelling, cutting and exporting clips, by command, on real recordings."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from pathlib import Path

import pytest
import soundfile

from tests.box import until
from tests.cli.shell import CLASSES, EACH, Shell

pytestmark = pytest.mark.slow


def test_an_import_that_is_run_again(library: Shell, sounds: Path) -> None:
    done = library("import", sounds, "--session-pattern", r"^\d-(\d+)")
    assert done.status == 1
    assert f"0 files imported as 0 clips, {3 * EACH} already there, 2 failed" in done.out
    assert "failed  dog/text.wav: " in done.err
    assert "failed  rain/empty.wav: " in done.err
    refused = library("import", sounds, "--label", "a/b")
    assert refused.status == 1
    assert refused.err.startswith("earmark: 'a/b' cannot be a label")


def test_labels_and_readiness(library: Shell) -> None:
    listed = library.json("labels")
    assert {row["name"]: row["clips"] for row in listed["items"]} == dict.fromkeys(
        CLASSES.values(), EACH
    )
    assert listed["readiness"]["ready"]
    assert "Ready to train." in library("labels").out

    assert library("labels", "create", "owl").status == 0
    assert library("labels", "create", "owl").status == 1
    assert library.json("labels", "rename", "owl", "eagle owl")["name"] == "eagle owl"
    assert library.json("thresholds", "set", "eagle owl", "0.9")["own"] is True
    assert library("thresholds", "set", "eagle owl", "1.9").status == 1
    assert library.json("thresholds", "reset", "eagle owl")["own"] is False
    assert library("labels", "create", "background").status == 0
    refused = library("thresholds", "set", "background", "0.9")
    assert refused.status == 1
    assert "background is never reported" in refused.err
    labels = {row["label"] for row in library.json("thresholds")["items"]}
    assert labels >= {"dog", "eagle owl"}
    assert "background" not in labels
    assert library("labels", "delete", "eagle owl", "--yes").status == 0
    assert library("labels", "delete", "eagle owl", "--yes").status == 1
    assert library("labels", "create", "two\nlines").status == 1


def test_clips_by_every_filter(library: Shell, sounds: Path) -> None:
    def ids(*words: object) -> list[int]:
        return [clip["id"] for clip in library.json("clips", *words)["items"]]

    dogs = ids("--label", "dog")
    assert len(dogs) == EACH
    assert len(ids("--source", "import")) == 3 * EACH
    assert library("clips", "--label", "dog", "--unlabelled").status == 1
    assert ids("--unlabelled") == []
    assert ids("--until", "yesterday") == []
    assert len(ids("--since", "1h")) == 3 * EACH
    name = sorted(file.name for file in (sounds / "dog").glob("*.ogg"))[0]
    (named,) = library.json("clips", "--text", name)["items"]
    assert named["filename"].endswith(name)
    assert named["session_key"] == name.split("-")[1]
    assert named["id"] in ids("--session", named["session_key"])
    unknown = library("clips", "--label", "unicorn")
    assert (unknown.status, unknown.out) == (1, "")
    assert "there is no label 'unicorn'" in unknown.err

    first = library.json("clips", "--limit", "7")
    assert len(first["items"]) == 7
    rest = ids("--limit", "500", "--cursor", first["next"])
    assert len({clip["id"] for clip in first["items"]} | set(rest)) == 3 * EACH
    assert len(ids("--all")) == 3 * EACH
    table = library("clips", "--limit", "7")
    assert table.out.splitlines()[0].split()[:3] == ["id", "label", "length"]
    assert first["next"] in table.err
    assert library("clips", "--cursor", "nonsense").status == 1


def test_labelling_one_many_and_by_conditions(library: Shell, sounds: Path) -> None:
    dogs = sorted(clip["id"] for clip in library.json("clips", "--label", "dog")["items"])
    assert library("label", "wolf", dogs[0]).status == 1  # nobody has created it
    assert library.json("label", "wolf", *dogs[:2], "--create")["changed"] == 2
    assert library.json("label", "wolf", "-", text=f"{dogs[2]}\n{dogs[3]}\n")["changed"] == 2
    assert library("label", "dog", "--labelled", "wolf").status == 1  # nobody said yes
    assert library.json("label", "dog", "--labelled", "wolf", "--yes")["changed"] == 4
    assert library.json("label", "--none", dogs[0])["changed"] == 1
    assert library("label", "dog", "99999").status == 1
    shown = library.json("clips", "show", dogs[0])
    assert shown["label"] is None
    assert [change["after"] for change in shown["history"]] == ["dog", "wolf", "dog", None]
    assert "dog → -" in library("clips", "show", dogs[0]).out

    # Importing again gives a clip without a label its label, and keeps another one.
    assert library.json("label", "wolf", dogs[1])["changed"] == 1
    report = library.json("import", sounds / "dog", "--label", "dog", status=1)
    assert report["labelled"] == 1
    assert len(report["kept"]) == 1
    assert "'wolf'" in report["kept"][0]["cause"]
    assert library("labels", "merge", "wolf", "dog", "--yes").status == 0
    assert len(library.json("clips", "--label", "dog")["items"]) == EACH


def test_a_cut_its_sound_and_its_end(library: Shell, tmp_path: Path) -> None:
    clip = library.json("clips", "--label", "rooster", "--limit", "1")["items"][0]
    made = library.json("clips", "cut", clip["id"], "0.5", "2s", "--label", "rooster")
    assert made["duration_s"] == pytest.approx(1.5, abs=0.01)
    assert made["session_key"] == clip["session_key"]
    assert library("clips", "cut", clip["id"], "3", "2").status == 1
    saved = library.json("clips", "audio", made["id"], tmp_path / "cut.flac")
    assert soundfile.info(saved["file"]).duration == pytest.approx(1.5, abs=0.01)
    done = library("clips", "delete", made["id"], "99999", "--yes")
    assert done.status == 1
    assert "1 clip deleted." in done.out
    assert "99999" in done.err
    assert library("clips", "show", made["id"]).status == 1


def test_an_export_is_an_import(library: Shell, tmp_path: Path) -> None:
    written = library.json("export", tmp_path / "out", "--label", "rain")
    assert (written["clips"], written["kept"]) == (EACH, 0)
    with (tmp_path / "out" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["label"] for row in rows] == ["rain"] * EACH
    assert all((tmp_path / "out" / row["file"]).is_file() for row in rows)
    (tmp_path / "out" / rows[0]["file"]).write_bytes(b"damaged")
    (tmp_path / "out" / rows[1]["file"]).unlink()
    again = library.json("clips", "export", tmp_path / "out", "--label", "rain")
    assert (again["clips"], again["kept"]) == (EACH, EACH - 2)
    assert [p.name for p in (tmp_path / "out").rglob("*.part")] == []
    report = library.json("import", tmp_path / "out", "--session-column", "session")
    assert (report["clips"], report["known"]) == (0, EACH)


def test_an_import_that_is_interrupted_and_completed(
    library: Shell, test_data: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "sea"
    shutil.copytree(test_data / "esc10" / "003 - Sea waves", folder / "sea")
    shutil.copytree(test_data / "esc10" / "008 - Chainsaw", folder / "saw")
    before = library.api.get("/status")["clips"]
    importing = library.start("import", folder, "--json", "--connections", "1")
    until(lambda: library.api.get("/status")["clips"] > before, "the first clip")
    importing.send_signal(signal.SIGINT)
    out, err = importing.communicate(timeout=60)
    assert importing.returncode in (130, 0), err  # 0: it was faster than the signal
    assert "Traceback" not in err
    assert json.loads(out)["complete"] is (importing.returncode == 0)
    report = library.json("import", folder)
    assert report["imported"] + report["known"] == 80
    counts = {row["name"]: row["clips"] for row in library.json("labels")["items"]}
    assert (counts["saw"], counts["sea"]) == (40, 40)
