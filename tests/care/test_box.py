"""A real daemon looked at from outside: health, doctor, settings, audit, support bundle."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import soundfile

from tests.box import Box, until

DASHBOARD = Path(__file__).parent.parent.parent / "docs" / "grafana.json"


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    root = tmp_path_factory.mktemp("care")
    made = Box(root / "box")
    made.data.mkdir()
    (made.data / "earmark.toml").write_text(
        "# this box hangs in the shed\n[listen]\nthreshold = 0.8  # tried by hand\n"
    )
    made.start()
    try:
        yield made
    finally:
        assert made.stop() == 0


def earmark(data: Path, *words: object, expect: int = 0) -> Any:
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "--data", data, "--json", *map(str, words)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == expect, done.stderr
    return json.loads(done.stdout if done.stdout else done.stderr)


def figures(box: Box) -> str:
    socket = httpx.HTTPTransport(uds=str(box.data / "api.sock"))
    with httpx.Client(transport=socket, base_url="http://localhost") as http:
        return http.get("/metrics").text


def check_of(health: dict[str, Any], name: str) -> dict[str, Any]:
    return next(check for check in health["checks"] if check["name"] == name)


def test_health_names_what_is_wrong_and_what_to_do(box: Box, tmp_path: Path) -> None:
    assert box.client is not None
    seen = box.client.get("/health")
    names = [check["name"] for check in seen["checks"]]
    assert names == [
        "settings", "microphones", "detection", "disk", "database", "gpu", "tensorrt", "torch",
        "clock", "temperature", "queue", "speech filter", "backup age", "notices",
    ]  # fmt: skip
    assert check_of(seen, "database")["state"] == "ok"
    assert check_of(seen, "microphones")["state"] == "not applicable"

    sound = tmp_path / "sound.wav"
    soundfile.write(sound, np.random.default_rng(2).normal(scale=0.1, size=16_000 * 60), 16_000)
    microphone = box.client.post("/microphones", {"source": f"replay:{sound}"})
    until(
        lambda: check_of(box.client.get("/health"), "microphones")["says"].endswith("1 of 1."),
        "sound",
    )
    assert set(re.findall(r'microphone="(.*?)"', figures(box))) == {microphone["name"]}
    box.client.delete(f"/microphones/{microphone['id']}")
    lost = box.client.post("/microphones", {"source": "usb-of-nowhere", "name": "yard"})
    broken = until(
        lambda: (
            (found := check_of(box.client.get("/health"), "microphones"))["state"] == "failing"
            and found
        ),
        "a microphone that is missed",
    )
    assert "yard is missing" in broken["says"]
    assert broken["advice"]
    doctor = earmark(box.data, "doctor", expect=1)
    assert check_of(doctor, "microphones") == broken
    box.client.delete(f"/microphones/{lost['id']}")


def test_the_handbook_says_what_to_do_about_each_check(box: Box) -> None:
    assert box.client is not None
    handbook = (DASHBOARD.parent / "operations.md").read_text()
    for check in [*box.client.get("/health")["checks"], {"name": "daemon"}]:
        assert re.search(rf"^\| {check['name']}( \(.*\))? \| .+ \| .+ \|$", handbook, re.M), check


def test_settings_are_set_read_again_and_told_apart(box: Box) -> None:
    assert box.client is not None
    client, file = box.client, box.data / "earmark.toml"
    client.post("/labels", {"name": "knock"})

    def threshold() -> float:
        return float(client.get("/labels/knock/threshold")["value"])

    rows = {row["name"]: row for row in client.get("/settings")["items"]}
    assert (rows["listen.threshold"]["value"], rows["listen.threshold"]["source"]) == (0.8, "file")
    assert rows["http.port"]["source"] == "environment"
    assert rows["hooks.parallel"]["source"] == "default"

    done = earmark(box.data, "settings", "set", "listen.threshold", "0.65")
    assert done["reloaded"] == {"now": ["listen.threshold"], "restart": []}
    done = earmark(box.data, "settings", "set", "space.low_mb", "10000000")
    assert done["reloaded"] == {"now": ["space.low_mb"], "restart": []}
    assert client.get("/status")["space"]["level"] == "low"
    assert check_of(client.get("/health"), "disk")["state"] == "warning"
    earmark(box.data, "settings", "reset", "space.low_mb")
    hours = earmark(box.data, "settings", "set", "privacy.quiet_hours", "00:00-12:00,12:00-00:00")
    assert hours["reloaded"]["now"] == ["privacy.quiet_hours"]
    assert client.get("/privacy")["detail"] == "not listening: quiet hours"
    earmark(box.data, "settings", "reset", "privacy.quiet_hours")
    assert not client.get("/privacy")["paused"]
    done = earmark(box.data, "settings", "set", "audio.ring_s", "30")
    assert done["reloaded"] == {"now": [], "restart": ["audio.ring_s"]}
    set_ = [one for one in earmark(box.data, "audit") if one["what"] == "SET audio.ring_s"]
    assert len(set_) == 1
    assert set_[0]["who"]
    assert "# this box hangs in the shed" in file.read_text()
    assert "threshold = 0.65  # tried by hand" in file.read_text()
    rows = {row["name"]: row for row in client.get("/settings")["items"]}
    assert (rows["listen.threshold"]["value"], rows["listen.threshold"]["waits"]) == (0.65, False)
    assert (rows["audio.ring_s"]["value"], rows["audio.ring_s"]["waits"]) == (20.0, True)
    assert threshold() == 0.65

    before = file.read_text()
    for name, value, advice in (
        ("listen.treshold", "0.5", "did you mean 'listen.threshold'"),
        ("listen.threshold", "5", "score"),
        ("http.port", "many", "8710"),
        ("privacy.quiet_hours", "22-6", "22:00-06:00"),
    ):
        assert advice in earmark(box.data, "settings", "set", name, value, expect=1)["advice"]
    assert file.read_text() == before

    # By hand, with a mistake: nothing changes, and the daemon goes on.
    file.write_text(before + "[listne]\n")
    assert box.process is not None
    box.process.send_signal(signal.SIGHUP)
    until(lambda: "settings not read again" in box.log.read_text(), "the refusal in the log")
    assert threshold() == 0.65
    # At the next start it would not: the doctor says so before a power cut does.
    broken = check_of(earmark(box.data, "doctor", expect=1), "settings")
    assert broken["state"] == "failing"
    assert "did you mean 'listen" in broken["advice"]
    told = client.get("/settings")
    assert {row["source"] for row in told["items"]} >= {"unknown"}
    assert str(file) in told["problem"]
    shown = subprocess.run(
        [sys.executable, "-m", "appliance.cli", "--data", box.data, "settings"],
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    assert "unknown setting 'listne'" in shown
    assert "did you mean 'listen" in shown
    file.write_text(before.replace("0.65", "0.7"))
    box.process.send_signal(signal.SIGHUP)
    until(lambda: threshold() == 0.7, "the new threshold")
    earmark(box.data, "settings", "reset", "audio.ring_s")
    assert "ring_s" not in file.read_text()


def test_speech_is_dropped_from_now_on_and_counted(
    box: Box, tmp_path: Path, test_data: Path
) -> None:
    client = box.client
    assert client is not None
    assert client.get("/privacy/speech") == {"on": False, "problem": "", "today": {}, "ever": {}}
    done = earmark(box.data, "settings", "set", "privacy.drop_speech", "yes")
    assert done["reloaded"] == {"now": ["privacy.drop_speech"], "restart": []}
    assert check_of(client.get("/health"), "speech filter")["state"] == "ok"
    words = [
        soundfile.read(file, dtype="float32")[0]
        for file in sorted((test_data / "fsdd" / "recordings").glob("3_theo_*.wav"))[:6]
    ]
    room = 0.001 * np.random.default_rng(4).standard_normal(8000 * 4)
    soundfile.write(tmp_path / "talk.wav", np.concatenate([room, 3 * np.concatenate(words)]), 8000)
    talk = client.post("/microphones", {"source": f"replay:{tmp_path / 'talk.wav'}?loop=1"})
    try:
        client.put(f"/microphones/{talk['id']}/trigger", {})
        dropped = until(lambda: client.get("/privacy/speech")["ever"].get("trigger"), "a drop")
        assert dropped["seconds"] > 0
        assert client.get("/clips", source="trigger")["items"] == []
        assert earmark(box.data, "status")["speech"]["today"]["trigger"]["sounds"] >= 1
        text = (box.data / "token").read_text().strip()
        port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", box.log.read_text())[-1])
        metrics = httpx.get(
            f"http://127.0.0.1:{port}/metrics", headers={"Authorization": f"Bearer {text}"}
        ).text
        assert 'earmark_speech_dropped_total{source="trigger"}' in metrics
        assert "speech is likely" in box.log.read_text()
    finally:
        client.delete(f"/microphones/{talk['id']}")
        earmark(box.data, "settings", "reset", "privacy.drop_speech")
    assert not client.get("/privacy/speech")["on"]


def test_the_audit_log_says_who_did_what_and_keeps_secrets(box: Box) -> None:
    assert box.client is not None
    box.client.post("/labels", {"name": "hush-hush"})
    token = (box.data / "token").read_text().strip()
    port = int(re.findall(r"http://127\.0\.0\.1:(\d+)", box.log.read_text())[-1])
    refused = httpx.post(f"http://127.0.0.1:{port}/api/v1/labels", json={"name": "evil"})
    assert refused.status_code == 401
    assert httpx.get(f"http://127.0.0.1:{port}/api/v1/health").status_code == 401
    assert httpx.get(f"http://127.0.0.1:{port}/healthz").is_success
    entries = earmark(box.data, "audit", "--last", 500)
    assert entries[-1]["what"] == "POST /api/v1/labels"
    assert (entries[-1]["status"], bool(entries[-1]["who"])) == (201, True)
    file = box.data / "audit.log"
    assert file.stat().st_mode & 0o777 == 0o600
    text = file.read_text()
    assert token not in text
    assert "hush-hush" not in text, "no bodies"
    assert len(entries) == len(text.splitlines())


def test_the_support_bundle_holds_no_sound_no_token_and_no_label(box: Box, tmp_path: Path) -> None:
    assert box.client is not None
    box.client.post("/labels", {"name": "very private noise"})
    box.client.put("/labels/very%20private%20noise/threshold", {"value": 0.9})
    sound = tmp_path / "sound.wav"
    soundfile.write(sound, np.random.default_rng(1).normal(scale=0.1, size=16_000), 16_000)
    box.client.upload("/clips", [sound], {"label": "very private noise"})
    target = tmp_path / "bundle.zip"
    assert earmark(box.data, "support-bundle", target)["complete"]
    token = (box.data / "token").read_text().strip()
    with zipfile.ZipFile(target) as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    assert {"status.json", "health.json", "settings.json", "log.txt", "jobs.json",
            "versions.json", "audit.json"} <= set(contents)  # fmt: skip
    assert "could not be gathered" not in "".join(contents.values())
    for name, text in contents.items():
        assert token not in text, name
        for form in ("very private noise", "very%20private%20noise", "very+private"):
            assert form not in text, name
    assert json.loads(contents["status.json"])["clips"] >= 1
    assert "label-" in contents["metrics.txt"]
    earmark(box.data, "support-bundle", target, expect=2)


def test_every_figure_of_the_dashboard_exists(box: Box) -> None:
    told = set(re.findall(r"^# TYPE (\S+)", figures(box), re.M))
    dashboard = json.loads(DASHBOARD.read_text())
    asked = set()
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            asked |= set(re.findall(r"earmark_\w+", target["expr"]))
    assert asked
    assert asked <= told
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])


def test_without_a_daemon_the_doctor_only_looks(tmp_path: Path) -> None:
    data = tmp_path / "box"
    data.mkdir()
    (data / "earmark.toml").write_text("[http]\nprot = 1\n")
    before = sorted(data.iterdir())
    seen = earmark(data, "doctor", expect=1)
    assert check_of(seen, "daemon")["state"] == "warning"
    assert "did you mean 'http.port'" in check_of(seen, "settings")["advice"]
    assert sorted(data.iterdir()) == before
    assert earmark(data, "settings", expect=1)["advice"]
