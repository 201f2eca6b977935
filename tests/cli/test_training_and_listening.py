"""Trainings, versions, deploying and what is heard, by command, on real recordings."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import soundfile

from tests.box import until
from tests.cli.shell import Shell
from tests.models import toy

pytestmark = pytest.mark.slow


def test_the_specification_is_shown_and_nobody_agrees_by_accident(library: Shell) -> None:
    specification = library.json("train", "--dry-run", "--max-minutes", "6")
    assert specification["limit_s"] == 360
    assert specification["plan"]["steps"] > 0
    assert specification["readiness"]["ready"]
    done = library("train")
    assert done.status == 1
    assert "--yes answers yes" in done.err
    for title in ("dataset version", "limit", "plan", "starts"):
        assert re.search(rf"^{title}  +\S", done.out, re.M)
    for words in (
        ["--max-minutes", "5"],
        ["--max-minutes", "6001"],
        ["--flavor", "gold"],
        ["--from", "V999"],
        ["--dataset-version", "../x"],
    ):
        done = library("train", "--yes", *words)
        assert done.status == 1, words
        assert len(done.err.splitlines()) == 2, words
    assert library.json("jobs")["items"] == []


def test_a_job_is_queued_followed_and_cancelled(library: Shell) -> None:
    job = library.json("train", "--yes", "--max-minutes", "6", "--dataset-version", "first")
    second = library.json("train", "--yes", "--dataset-version", "first")
    assert job["dataset_version"] == second["dataset_version"] == "first"
    assert "dog" in library("train", "--dry-run", "--dataset-version", "first").out
    assert second["state"] == "queued"
    assert second["position"] == 1
    assert "number 1" in library("jobs").out
    shown = library.json("job", job["id"])
    assert shown["events"][0]["state"] == "queued"
    waiting = library.start("job", second["id"], "--wait")
    assert library("cancel", second["id"]).status == 0
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert f"Job {second['id']} is cancelled." in out
    assert library("cancel", job["id"]).status == 0
    ended = library.json("job", job["id"], "--wait", status=1)
    assert ended["state"] == "cancelled"
    assert library("cancel", job["id"]).out.startswith(f"Job {job['id']}")
    assert library("cancel", 999).status == 1
    assert library("clips", "delete", "1", "--yes").status == 1  # a dataset version holds it


@pytest.fixture(scope="module")
def version(library: Shell, tmp_path_factory: pytest.TempPathFactory) -> str:
    """A small real model that tells tones apart, taken in as another box's version."""
    from appliance.events import EventBus
    from appliance.models.archive import export_version
    from appliance.models.versions import Versions
    from appliance.paths import DataFolder
    from appliance.store.database import Database

    folder = DataFolder(tmp_path_factory.mktemp("other") / "data")
    folder.create()
    database = Database(folder.database)
    versions = Versions(database, folder, EventBus())
    result = toy.write_result(folder.job(1) / "result")
    facts: dict[str, Any] = {"job": None, "dataset_version": None, "parent": None}
    made = versions.publish(result, **facts, stopped="converged", seconds=1.0)
    export_version(versions, made.name, folder.root / "v.zip")
    database.close()
    name: str = library.json("version", "import", folder.root / "v.zip")["name"]
    return name


def test_a_version_and_its_figures(library: Shell, version: str, tmp_path: Path) -> None:
    assert version in library("versions").out
    assert library.json("version", version.removeprefix("V"))["name"] == version
    shown = library("version", version)
    assert shown.status == 0
    assert "1 background" in shown.out
    assert re.search(r"accuracy +90\.0 %", shown.out)
    figures = library.json("version", version, "--pictures", tmp_path / "pictures")
    assert figures["evaluation"]["accuracy"] == 0.9
    assert len(figures["pictures"]) == 2
    for picture in figures["pictures"]:
        assert Path(picture).read_bytes().startswith(b"\x89PNG")
    assert library.json("version", "note", version, "from the barn")["note"] == "from the barn"
    assert library.json("version", "lineage", version)["source"] == "imported"
    out = library.json("version", "export", version, tmp_path)
    assert library("version", "export", version, out["file"]).status == 1  # it exists
    second = library.json("version", "import", out["file"])["name"]
    assert library("version", "delete", second, "--yes").status == 0
    assert library("version", second).status == 1
    assert library("version", "import", __file__).status == 1


def test_deploy_predict_and_hear(library: Shell, version: str, tmp_path: Path) -> None:
    high, low = tmp_path / "high.wav", tmp_path / "low.wav"
    for file, hz in ((high, toy.HIGH_HZ), (low, toy.LOW_HZ)):
        soundfile.write(file, toy.tone(hz, 3.0), toy.RATE)
    refused = library("predict", high)
    assert refused.status == 1
    assert f"earmark deploy {version}" in refused.err
    told = library("thresholds", "set", "dog", "0.6")
    assert "Nothing is deployed" in told.out + told.err
    assert library("listen", "--seconds", "1").status == 1
    assert library("deploy", "V999").status == 1
    assert library("deploy", version, "--precision", "fp99").status == 1
    assert library.json("deploy", version)["state"] == "live"
    assert library.json("deploy")["current"]["version"] == version
    assert version in library("deploy").out
    assert library("rollback").status == 1

    answers = library.json("predict", high, low)
    assert [answer["label"] for answer in answers["results"]] == ["high", "low"]
    bad = tmp_path / "bad.wav"
    bad.write_text("no sound")
    done = library("predict", high, bad)
    assert done.status == 1
    assert f"{high}: high" in done.out
    assert f"failed  {bad}: " in done.err
    assert library("predict", bad).status == 1

    added = library.json("devices", "add", f"replay:{low}?loop=1", "--name", "tones")
    assert added["name"] == "tones"
    watching = library.start("listen", "--json", "--seconds", "60", "--count", "1")
    out, err = watching.communicate(timeout=100)
    assert watching.returncode == 0, err + library.log()
    lines = [json.loads(line) for line in out.splitlines()]
    assert {"hearing", "detection"} >= {line["topic"] for line in lines}
    assert lines[-1]["topic"] == "detection"
    found = until(lambda: library.json("detections", "--label", "low")["items"], "a detection")
    number = found[-1]["id"]
    assert library.json("detections", "confirm", number)["items"][0]["review"] == "confirmed"
    mistyped = library("detections", "refute", number, "--label", "dgo")
    assert mistyped.status == 1
    assert "did you mean 'dog'? --create makes a new one" in mistyped.err
    refuted = library.json("detections", "refute", number, "--label", "dog")["items"][0]
    assert (refuted["review"], refuted["review_label"]) == ("refuted", "dog")
    assert library.json("detections", "show", number)["version"] == version
    assert library("detections", "clear", number).status == 0
    assert library("detections", "show", "99999").status == 1
    assert "tones" in library("detections").out
    assert library("version", "delete", version, "--yes").status == 1  # it is deployed
    exported = library.json("export", tmp_path / "out", "--no-clips")
    assert exported["detections"] >= 1
    assert library("devices", "remove", "tones", "--yes").status == 0
    assert "tones (removed)" in library("detections", "--microphone", "tones").out
    unknown = library("detections", "--label", "lwo")
    assert unknown.status == 1
    assert "did you mean 'low'?" in unknown.err
