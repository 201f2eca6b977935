"""On real sound, from outside: a version that calls dogs rain is refused, forced, rolled back, and
found out as a shadow; what the box is unsure of waits in the inbox with a suggestion."""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.client import Client, ClientError, quoted
from tests.box import Box, until
from tests.e2e.fitted import fitted_archive
from tests.e2e.test_listening import RATE, esc10, loudest, noise, scene


def sounds(test_data: Path, folder: Path, first: int, count: int) -> dict[str, list[Path]]:
    """Short loud stretches of real dogs and rain, and a quiet room, as files by label."""
    files: dict[str, list[Path]] = {}
    for label, ending in (("dog bark", "Dog bark"), ("rain", "Rain")):
        for source in esc10(test_data, ending)[first : first + count]:
            file = folder / f"{label} {source.stem}.wav"
            soundfile.write(file, loudest(source, 1.5), RATE)
            files.setdefault(label, []).append(file)
    for number in range(first, first + count):
        file = folder / f"background {number}.wav"
        soundfile.write(file, noise(1.5, 0.001 * (1 + number % 8), number), RATE)
        files.setdefault("background", []).append(file)
    return files


def confused(archive: Path, target: Path) -> Path:
    """The same version, but that it calls dogs rain and rain dogs."""
    with zipfile.ZipFile(archive) as old:
        entries = {name: old.read(name) for name in old.namelist()}
    card = json.loads(entries["card.json"])
    swap = {"dog bark": "rain", "rain": "dog bark"}
    card["classes"] = [swap.get(label, label) for label in card["classes"]]
    entries["card.json"] = json.dumps(card).encode()
    manifest = json.loads(entries["manifest.json"])
    manifest["files"]["card.json"] = {
        "size": len(entries["card.json"]),
        "sha256": hashlib.sha256(entries["card.json"]).hexdigest(),
    }
    entries["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(target, "w") as new:
        for name, content in entries.items():
            new.writestr(name, content)
    return target


def play(client: Client, file: Path, name: str) -> None:
    client.post("/microphones", {"source": f"replay:{file}?speed=2", "name": name})
    until(
        lambda: client.get(f"/microphones/{quoted(name)}")["status"]["state"] == "ended",
        f"the end of {name}",
    )


@pytest.mark.slow(50)
@pytest.mark.timeout(600)
def test_a_worse_version_is_refused_forced_rolled_back_and_found_out(
    box: Box, test_data: Path, tmp_path: Path
) -> None:
    client = box.start()
    archive = fitted_archive(sounds(test_data, tmp_path, 0, 8), tmp_path)
    assert client.upload("/versions/import", [archive])["name"] == "V001"
    assert client.post("/deployments", {"version": "V001"})["version"] == "V001"

    # Clips that no version has seen, and an evening of the box.
    fresh = sounds(test_data, tmp_path, 8, 5)
    for label, files in fresh.items():
        client.upload("/clips", files, {"label": label})
    file = tmp_path / "scene.wav"
    scene(test_data, file)
    play(client, file, "yard")
    until(lambda: len(client.get("/detections")["items"]) >= 3, "detections")
    heard = client.get("/status")["history"]
    assert heard["state"] == "on"

    client.upload("/versions/import", [confused(archive, tmp_path / "V002.zip")])
    with pytest.raises(ClientError, match="V002 is worse than V001") as refused:
        client.post("/deployments", {"version": "V002"})
    assert refused.value.status == 409
    last = client.get("/comparisons")["items"][0]
    report = client.get(f"/comparisons/{last['id']}")["report"]
    assert last["state"] == "refused"
    assert report["live"]["honest"]["clips"] == report["candidate"]["honest"]["clips"] == 15
    assert report["live"]["honest"]["recall"] >= 0.6
    assert report["candidate"]["honest"]["recall"] <= 0.5
    assert any("learned from is not known" in note for note in report["notes"])
    assert report["heard_s"] == pytest.approx(40, abs=3)
    assert report["live"]["events"] >= 3
    assert report["lost_count"] >= 3
    assert {event["instead"] for event in report["lost"]} & {"rain", "dog bark"}
    cut = report["lost"][0]
    body = {"microphone": cut["microphone"], "minute": cut["minute"]}
    stretch = {"start_s": cut["offset_s"], "end_s": cut["offset_s"] + 1.5}
    clip = client.post("/history/cut", {**body, **stretch})
    assert np.isfinite(clip["rms_dbfs"])
    assert clip["source"] == "history"

    assert client.get("/status")["deployment"]["version"] == "V001"
    forced = client.post("/deployments", {"version": "V002", "force": True})
    assert client.get(f"/deployments/{forced['id']}/comparison")["forced"]
    assert client.post("/deployments/rollback")["version"] == "V001"

    client.post("/shadow", {"version": "V002"})
    client.delete("/microphones/yard")
    play(client, file, "barn")
    seen = until(
        lambda: (
            (now := client.get("/shadow")["current"])["disagreements"] >= 2
            and now["heard_s"]
            and now
        ),
        "disagreements",
    )
    assert seen["missed"] == 0
    inbox = client.get("/inbox")["items"]
    assert inbox[0]["flagged"]
    assert "V002 would" in inbox[0]["reason"]
    until(
        lambda: all(item["suggested_label"] for item in client.get("/inbox")["items"]),
        "suggestions",
    )
    accepted = client.get("/inbox")["items"][0]
    client.put(f"/clips/{accepted['id']}/label", {"label": accepted["suggested_label"]})
    assert accepted["id"] not in [item["id"] for item in client.get("/inbox")["items"]]
