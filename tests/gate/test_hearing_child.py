"""The child that hears for a comparison: what it has no time for, how it gives way, in what
precision it hears."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile

from appliance.gate import child
from appliance.gate.manifest import Question
from appliance.gate.process import HearingChild
from appliance.gate.report import report
from appliance.gate.truth import Truth
from appliance.live.decision import Rules
from appliance.models.engine import open_reference_engine
from appliance.models.predict import predict
from appliance.settings import GateSettings
from tests.gate.conftest import RATE, GateBox, tone
from tests.live.conftest import until
from tests.live.tones import HIGH_HZ, LOW_HZ, scene
from tests.models import toy

BOTH = {"low": LOW_HZ, "high": HIGH_HZ}


def minutes(folder: Path, count: int) -> list[dict[str, Any]]:
    """Pieces of one minute of history each, with two tones in it."""
    sound = scene(20.0, [(4.0, 0.5, LOW_HZ), (12.0, 0.5, HIGH_HZ)])
    pieces = []
    for number in range(count):
        file = folder / f"{number}.flac"
        soundfile.write(file, sound, RATE)
        minute = {"path": str(file), "number": number, "seconds": 20.0, "at": 100.0 * number}
        pieces.append({"microphone": "yard", "minutes": [{**minute, "speed": 1.0}]})
    return pieces


def given(box: GateBox, folder: Path, **changes: Any) -> dict[str, Any]:
    """A manifest of two versions that hear the same."""
    versions = [box.version(BOTH), box.version(BOTH)]
    return {
        "limit_s": 60.0,
        "rules": dataclasses.asdict(Rules()),
        "versions": [
            {
                "name": name,
                "folder": str(box.versions.path(name)),
                "sha256": box.versions.onnx_sha256(name),
                "precision": "fp32",
                "thresholds": dict.fromkeys(("background", *BOTH), 0.75),
            }
            for name in versions
        ],
        "clips": [],
        "pieces": minutes(folder, 4),
        **changes,
    }


def test_what_it_has_no_time_for_is_not_counted_and_the_report_says_so(
    box: GateBox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clips = [box.clips.get(box.add(tone(LOW_HZ, n), "low", f"s{n}")) for n in range(6)]
    manifest = given(
        box,
        tmp_path,
        limit_s=50.0,
        clips=[
            {"id": clip.id, "path": str(box.clips.path(clip)), "versions": ["V001", "V002"]}
            for clip in clips
        ],
    )
    # On a slow box each file takes eleven seconds, of a clock that moves only then.
    now = SimpleNamespace(seconds=0.0)
    read = child.read_flac

    def slowly(path: Path) -> Any:
        now.seconds += 11.0
        return read(path)

    monkeypatch.setattr(child, "read_flac", slowly)
    monkeypatch.setattr(child, "time", SimpleNamespace(monotonic=lambda: now.seconds))
    # Clips may take 20 s: two of them. At 22 s of 50 the history begins: three minutes of it.
    result = child.Run(manifest).result()
    assert [len(said) for said in result["clips"].values()] == [2, 2]
    assert (result["heard_s"], len(result["heard"])) == (60.0, 3)
    assert [event["label"] for event in result["events"]["V001"]] == ["low", "high"] * 3

    asked = [Question(clip, {"V001": "unseen", "V002": "unseen"}, {}) for clip in clips]
    names = ("background", *BOTH)
    truth = Truth([])
    made = report(
        "V001", "V002", result, asked, truth, {"V001": names, "V002": names}, GateSettings()
    )
    assert made["live"]["honest"] == {"right": 2, "clips": 2, "recall": 1.0}
    assert made["live"]["events"] == made["live"]["false_alarms"] == 6
    assert made["live"]["false_alarms_per_hour"] == pytest.approx(6 / (60 / 3600))
    notes = "; ".join(made["notes"])
    assert "2 of 6 labelled clips were heard" in notes
    assert "75% of the history was heard" in notes


def test_it_stands_still_while_listening_is_late_and_then_goes_on(
    box: GateBox, tmp_path: Path
) -> None:
    late = threading.Event()
    late.set()
    hearing = HearingChild(box.folder.jobs, late.is_set)
    started: list[Any] = []
    start = hearing._start

    def watched(*given: Any) -> Any:
        started.append(start(*given))
        return started[0]

    hearing._start = watched  # type: ignore[method-assign]
    answers: list[dict[str, Any]] = []
    thread = threading.Thread(
        target=lambda: answers.append(hearing.run(given(box, tmp_path), lambda _said: None))
    )
    thread.start()

    def state() -> str:
        stat = Path(f"/proc/{started[0].pid}/stat").read_text()
        return stat.rpartition(")")[2].split()[0]

    until(lambda: started and state() == "T", "the child to stand still")
    late.clear()
    thread.join(60)
    (result,) = answers
    assert result["heard_s"] == result["history_s"] == 80.0


def test_it_hears_in_the_precision_that_is_to_listen(box: GateBox, tmp_path: Path) -> None:
    result = toy.write_result(box.folder.jobs / "made" / "result")
    published = box.versions.publish(
        result,
        job=None,
        dataset_version=None,
        parent=None,
        stopped="converged",
        seconds=1.0,
    )
    folder, sha256 = box.versions.path(published.name), box.versions.onnx_sha256(published.name)
    samples = 0.1 * toy.tone(toy.LOW_HZ, 0.6) + 0.02 * toy.tone(toy.HIGH_HZ, 0.6)
    clip = box.clips.get(box.add(samples, "low", "one"))
    sides = {"V001 fp32": "fp32", "V001 fp16": "fp16", "V001 int8": "int8"}
    manifest = given(box, tmp_path, pieces=[])
    manifest["versions"] = [
        {
            "name": name,
            "folder": str(folder),
            "sha256": sha256,
            "precision": precision,
            "thresholds": dict.fromkeys(toy.CLASSES, 0.75),
        }
        for name, precision in sides.items()
    ]
    manifest["clips"] = [
        {"id": clip.id, "path": str(box.clips.path(clip)), "versions": list(sides)}
    ]
    said = HearingChild(box.folder.jobs, lambda: False).run(manifest, lambda _said: None)["clips"]
    scores = {name: answers[str(clip.id)][1] for name, answers in said.items()}
    sound, rate = soundfile.read(box.clips.path(clip), dtype="float32")
    for name, precision in sides.items():
        engine = open_reference_engine(folder, sha256, precision)
        assert scores[name] == pytest.approx(predict(engine, sound, rate).score, abs=1e-4)
    assert scores["V001 int8"] != scores["V001 fp32"], "its own rounding is heard"


def test_a_version_is_heard_against_itself_in_another_precision(box: GateBox) -> None:
    result = toy.write_result(box.folder.jobs / "made" / "result")
    facts: Any = {"job": None, "dataset_version": None, "parent": None}
    box.versions.publish(result, stopped="converged", seconds=1.0, **facts)
    box.deploy_by_gate("V001")
    assert "V001 listens already" in box.deploy_by_gate("V001").detail
    for number in range(3):
        noise = 1e-3 * np.random.default_rng(number).standard_normal(RATE)
        box.add(toy.tone(toy.LOW_HZ) + noise, "low", f"s{number}")
    _, done = box.gate.deploy("V001", "int8", "anna")
    made = done.result(60).report
    assert [made[role]["version"] for role in ("live", "candidate")] == ["V001 fp32", "V001 int8"]
    assert [made[role]["precision"] for role in ("live", "candidate")] == ["fp32", "int8"]
    assert made["candidate"]["honest"]["clips"] == made["clips"] == 3
    current = box.deployments.current()
    assert current is not None
    assert current.precision == "int8"
