"""The installed command against a real daemon, on real recordings."""

from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from appliance.client import Client
from tests.box import Box, until
from tests.cli.conftest import Done
from tests.models import toy

pytestmark = pytest.mark.slow

INSTALLED = Path(sys.executable).with_name("earmark")
COMMAND = [str(INSTALLED)] if INSTALLED.exists() else [sys.executable, "-m", "appliance.cli"]
CLASSES = {"001 - Dog bark": "dog", "002 - Rain": "rain", "009 - Rooster": "rooster"}
EACH = 6


class Shell:
    """Runs `earmark` as a person's shell does, without a terminal."""

    def __init__(self, box: Box, api: Client) -> None:
        self.box = box
        self.api = api
        self.environment = {**os.environ, "EARMARK_DATA": str(box.data)}
        for name in ("EARMARK_URL", "EARMARK_TOKEN", "COLUMNS"):
            self.environment.pop(name, None)

    def start(self, *words: object) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*COMMAND, *(str(word) for word in words)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )

    def __call__(self, *words: object, text: str = "") -> Done:
        process = self.start(*words)
        out, err = process.communicate(text, timeout=120)
        return Done(process.returncode, out, err)

    def json(self, *words: object, text: str = "", status: int = 0) -> Any:
        done = self(*words, "--json", text=text)
        assert done.status == status, f"{words}: {done.out}\n{done.err}\n{self.log()}"
        return done.json

    def log(self) -> str:
        return self.box.log.read_text()[-3000:]


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    box = Box(tmp_path_factory.mktemp("cli") / "box")
    with box.start() as client:
        yield Shell(box, client)
    assert box.stop() == 0, box.log.read_text()[-4000:]


@pytest.fixture(scope="module")
def sounds(test_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three classes of ESC-10 with six files each, and a file that is no sound."""
    folder = tmp_path_factory.mktemp("sounds")
    for source, label in CLASSES.items():
        (folder / label).mkdir()
        for file in sorted((test_data / "esc10" / source).glob("*.ogg"))[:EACH]:
            shutil.copy(file, folder / label)
    (folder / "dog" / "text.wav").write_text("this is no sound at all\n" * 50)
    (folder / "rain" / "empty.wav").touch()
    return folder


@pytest.fixture(scope="module")
def library(shell: Shell, sounds: Path) -> Shell:
    """The box with those sounds in it."""
    refused = shell("train", "--yes")
    assert refused.status == 1
    assert refused.err.startswith("earmark: not ready to train: 0 of 2 classes have clips")
    report = shell.json("import", sounds, "--session-pattern", r"^\d-(\d+)", status=1)
    assert report["imported"] == report["clips"] == 3 * EACH
    assert [one["name"] for one in report["failed"]] == ["dog/text.wav", "rain/empty.wav"]
    assert all(one["cause"] and one["advice"] for one in report["failed"])
    return shell


def test_an_import_that_is_run_again(library: Shell, sounds: Path) -> None:
    done = library("import", sounds, "--session-pattern", r"^\d-(\d+)")
    assert done.status == 1
    assert f"0 files imported as 0 clips, {3 * EACH} already there, 2 failed" in done.out
    assert "failed  dog/text.wav: " in done.err
    assert "failed  rain/empty.wav: " in done.err


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
    assert {row["label"] for row in library.json("thresholds")["items"]} >= {"dog", "eagle owl"}
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
    assert library.json("label", "wolf", *dogs[:2], "--create") == {"changed": 2}
    assert library.json("label", "wolf", "-", text=f"{dogs[2]}\n{dogs[3]}\n") == {"changed": 2}
    assert library("label", "dog", "--labelled", "wolf").status == 2
    assert library.json("label", "dog", "--labelled", "wolf", "--yes") == {"changed": 4}
    assert library.json("label", "--none", dogs[0]) == {"changed": 1}
    assert library("label", "dog", "99999").status == 1
    shown = library.json("clips", "show", dogs[0])
    assert shown["label"] is None
    assert [change["after"] for change in shown["history"]] == ["dog", "wolf", "dog", None]
    assert "dog → -" in library("clips", "show", dogs[0]).out

    # Importing again gives a clip without a label its label, and keeps another one.
    assert library.json("label", "wolf", dogs[1]) == {"changed": 1}
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


def test_the_specification_is_shown_and_nobody_agrees_by_accident(library: Shell) -> None:
    specification = library.json("train", "--dry-run", "--max-minutes", "6")
    assert specification["limit_s"] == 360
    assert specification["plan"]["steps"] > 0
    assert specification["readiness"]["ready"]
    done = library("train")
    assert done.status == 2
    assert "give --yes to agree" in done.err
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
    assert second["state"] == "queued"
    assert second["position"] == 1
    assert "number 1" in library("jobs").out
    shown = library.json("job", job["id"])
    assert shown["events"][0]["state"] == "queued"
    waiting = library.start("job", second["id"], "--wait")
    assert library("cancel", second["id"]).status == 0
    out, _ = waiting.communicate(timeout=60)
    assert waiting.returncode == 1
    assert f"Job {second['id']} is cancelled (cancelled)." in out
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
    assert "no version is deployed" in refused.err
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


@pytest.fixture
def microphone(library: Shell, sounds: Path) -> Iterator[str]:
    """Dogs, for ever."""
    added = library.json(
        "devices", "add", f"replay:{sounds / 'rooster'}?loop=1", "--name", "yard", "--no-listen"
    )
    until(
        lambda: library.json("devices")["microphones"][0]["status"]["state"] == "running",
        "the microphone runs",
    )
    yield added["name"]
    assert library("devices", "remove", "yard", "--yes").status == 0


def test_recording_until_told_to_stop(library: Shell, microphone: str) -> None:
    done = library.json("record", "1s", "--label", "rooster")
    (recording,) = done["items"]
    assert recording["state"] == "stored"
    clip = library.json("clips", "show", recording["clips"][0])
    assert clip["duration_s"] == pytest.approx(1.0, abs=0.05)
    assert (clip["label"], clip["source"]) == ("rooster", "recording")

    def recording_now() -> bool:
        page = library.api.get("/recordings")["items"]
        return any(one["state"] == "recording" and one["elapsed_s"] > 0.5 for one in page)

    for sent, words, status in (
        (signal.SIGINT, ["record", "--mic", "yard"], 0),
        (signal.SIGINT, ["record", "600", "--mic", "yard"], 130),
        (signal.SIGTERM, ["record", "--mic", "yard"], 0),
        (signal.SIGHUP, ["record", "--mic", "yard"], 0),
    ):
        process = library.start(*words)
        until(recording_now, "it records")
        process.send_signal(sent)
        out, err = process.communicate(timeout=60)
        assert process.returncode == status, err
        assert "Traceback" not in err
        assert "yard: " in out
        assert "1 clip: " in out
        assert not recording_now()
    assert library("record", "1", "--mic", "cellar").status == 1


def test_microphones_and_what_they_gather(library: Shell, microphone: str) -> None:
    changed = library.json("devices", "set", "yard", "--gain", "6", "--channel", "0")
    assert (changed["gain_db"], changed["channel"]) == (6.0, 0)
    assert library.json("devices", "set", "yard", "--channel", "mix")["channel"] is None
    assert library("devices", "set", "yard", "--gain", "600").status == 1
    assert "yard" in library("devices").out
    on = library.json("devices", "trigger", "yard", "on", "--rise", "15", "--longest", "5s")
    assert on["trigger"]["rise_db"] == 15
    on = library.json("triggers", "on", "yard", "--post-roll", "2")
    assert (on["trigger"]["rise_db"], on["trigger"]["postroll_s"]) == (15, 2)
    assert "15 dB" in library("triggers").out
    assert library.json("triggers", "off", "yard")["trigger"] is None
    made = library.json("schedule", "add", "yard", "06:30", "1m", "--label", "rooster")
    assert "06:30" in library("schedule").out
    assert library("schedule", "add", "yard", "26:30", "1m").status == 1
    assert library.json("schedule", "remove", made["id"], "--yes") == {"removed": made["id"]}
    begun = library.json("background", "start", "yard", "--samples", "3", "--over", "1h")
    assert begun["label"] == "background"
    assert "0 of 3 samples" in library("background").out
    assert library("background", "stop", begun["id"]).status == 0
    assert library("devices", "add", "replay:/no/such/file", "--name", "yard").status == 1


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "devices",
        "triggers",
        "schedule",
        "background",
        "clips",
        "labels",
        "jobs",
        "versions",
        "deploy",
        "thresholds",
        "detections",
    ],
)
def test_what_only_looks_speaks_json_and_words(library: Shell, words: str) -> None:
    assert isinstance(library.json(words), dict)
    done = library(words)
    assert done.status == 0
    assert done.out.strip()


def test_events_are_lines(library: Shell) -> None:
    watching = library.start("events", "--json", "--topic", "label", "--count", "1")
    # Only what happens after it has connected is an event for it.
    deadline = time.monotonic() + 60
    while watching.poll() is None and time.monotonic() < deadline:
        library("labels", "create", f"label {time.monotonic_ns()}")
    out, err = watching.communicate(timeout=30)
    assert watching.returncode == 0, err
    assert json.loads(out)["topic"] == "label"
    done = library("events", "--topic", "nonsense")
    assert done.status == 1
    assert "nonsense" in done.err


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


def test_over_tcp_only_with_the_token(library: Shell) -> None:
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)", library.box.log.read_text())
    url = f"http://127.0.0.1:{port}"
    assert library.json("status", "--url", url)["pid"] == library.box.process.pid  # type: ignore[union-attr]
    done = library("status", "--url", url, "--token", "wrong")
    assert done.status == 1
    assert len(done.err.splitlines()) == 2
    assert done.out == ""


def test_a_second_daemon_on_the_folder_is_refused(library: Shell) -> None:
    done = library("serve", "--port", "0")
    assert done.status == 1
    assert "a daemon already runs on" in done.err.splitlines()[-2]
    assert "Traceback" not in done.err
