"""A day in the life of a box, in fast forward: it starts without knowing the time, trains in the
heat, loses a microphone, runs out of disk, out of power, and is restored on another box."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from appliance.client import Client, ClientError
from tests.box import Box, until
from tests.e2e.bench import Bench
from tests.e2e.lessons import teach
from tests.models import toy
from tests.tui.conftest import publish_toy
from tests.tui.sounds import write_sounds

pytestmark = [pytest.mark.slow(70), pytest.mark.timeout(900)]

DISK_MB = 160
LIMITS_MB = {"low": 60, "short": 45, "critical": 30}  # and full at 17
HOT_C, COOL_C = 95, 60

HOOK = """#!/bin/sh
cat >> '{told}'
"""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, which can really be filled."""
    if os.geteuid() != 0:
        pytest.skip("a disk of its own needs root")
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MB}m", "tmpfs", str(place)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no tmpfs can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        if os.path.ismount(place):
            subprocess.run(["umount", "--lazy", place], check=True)


def yard(file: Path) -> None:
    """Three seconds of a quiet yard in which something hums."""
    sound = np.random.default_rng(5).normal(0, 0.001, 3 * toy.RATE)
    hum = toy.tone(toy.LOW_HZ, 0.8)
    sound[toy.RATE : toy.RATE + len(hum)] += hum
    soundfile.write(file, sound.astype(np.float32), toy.RATE)


class Day:
    """The box, its bench, and what a person would ask it."""

    def __init__(self, disk: Path, folder: Path) -> None:
        self.folder, self.disk = folder, disk
        self.bench = Bench(folder / "bench").build()
        self.told = folder / "told"
        self.ballast = disk / "holiday-pictures"
        limits = {f"EARMARK_SPACE_{name.upper()}_MB": str(mb) for name, mb in LIMITS_MB.items()}
        percents = {f"EARMARK_SPACE_{name.upper()}_PERCENT": "0" for name in LIMITS_MB}
        self.box = Box(
            disk / "box",
            EARMARK_BOARD_HEAT_PAUSE_C="80",
            EARMARK_GATE_LIMIT_S="0",
            EARMARK_LISTEN_CLIP_S="1.5",
            EARMARK_AUDIO_PREROLL_S="0.3",
            EARMARK_HOOKS_FOLDER=str(folder / "hooks"),
            EARMARK_RETENTION_EVERY_H="0",
            **limits,
            **percents,
        )
        self.box.log = folder / "box.log"
        bench = Path(__file__).with_name("bench.py")
        self.box.program = [str(bench), str(self.box.data), str(self.bench.root)]
        (folder / "hooks").mkdir()
        hook = folder / "hooks" / "tell.sh"
        hook.write_text(HOOK.format(told=self.told))
        hook.chmod(0o755)

    @property
    def client(self) -> Client:
        assert self.box.client is not None
        return self.box.client

    def heard(self) -> list[dict[str, Any]]:
        """Detections, the newest first."""
        return list(self.client.get("/detections")["items"])

    def hears_something_new(self, why: str) -> dict[str, Any]:
        """The next detection that begins from now on."""
        last = max((found["id"] for found in self.heard()), default=0)
        return until(
            lambda: next((found for found in self.heard() if found["id"] > last), None),
            f"a detection {why}",
        )

    def clip_of(self, found: dict[str, Any]) -> int:
        """The clip of a detection, once it is stored."""
        path = f"/detections/{found['id']}"
        return int(until(lambda: self.client.get(path)["clip"], "the clip of a detection"))

    def microphone(self) -> dict[str, Any]:
        return dict(self.client.get("/microphones/yard")["status"])

    def trigger(self) -> dict[str, Any]:
        return dict(self.client.get("/microphones/yard/trigger"))

    def job(self, number: int) -> dict[str, Any]:
        return dict(self.client.get(f"/jobs/{number}"))

    def level(self) -> str:
        return str(self.client.get("/status")["space"]["level"])

    def leave_free(self, megabytes: float) -> None:
        """Somebody copies so much onto the disk that this is left."""
        room = os.statvfs(self.disk)
        surplus = room.f_bavail * room.f_frsize - round(megabytes * 1e6)
        # The box writes as well: the last byte may be gone already.
        with self.ballast.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while surplus > 0:
                surplus -= file.write(b"x" * min(surplus, 1 << 20))

    def tidy_up(self) -> None:
        self.ballast.unlink()

    def told_of(self, kind: str) -> int:
        """How often the owner's hook was told of that."""
        lines = self.told.read_text().splitlines() if self.told.exists() else []
        return sum(json.loads(line)["event"] == kind for line in lines)

    def logged(self, words: str) -> int:
        return self.box.log.read_text().count(words)


def test_a_day_in_the_life(disk: Path, tmp_path: Path) -> None:
    day = Day(disk, tmp_path)
    sound, sounds = tmp_path / "yard.wav", write_sounds(tmp_path, count=5)
    yard(sound)
    publish_toy(day.box.data)
    try:
        # Six in the morning: the box starts in 1970, and listens all the same.
        client = day.box.start()
        labels = teach(client, sounds)
        assert client.post("/deployments", {"version": "V001"})["version"] == "V001"
        client.post("/microphones", {"source": f"replay:{sound}?loop=1", "name": "yard"})
        client.put("/microphones/yard/trigger", {"rise_db": 15, "postroll_s": 0.3})
        first = day.hears_something_new("before the clock is set")
        assert first["label"] == "low"
        assert first["started_at"] < 86_400
        assert not client.get("/status")["clock_synced"]

        # Seven: a training begins, and the network tells the time.
        job = client.post("/jobs", {"max_minutes": 60})["id"]
        day.bench.set_clock()
        until(lambda: abs(day.heard()[-1]["started_at"] - time.time()) < 120, "the right time")
        assert [found["id"] for found in day.heard()] == sorted(
            (found["id"] for found in day.heard()), reverse=True
        )
        stored = client.get("/clips", source="detection")["items"]
        assert all(abs(clip["recorded_at"] - time.time()) < 120 for clip in stored)

        # Noon: the box stands in the sun. The training waits, listening does not.
        until(lambda: (day.job(job)["progress"] or {}).get("step"), "the first step")
        day.bench.warm(HOT_C)
        until(lambda: day.job(job)["state"] == "paused", "a pause")
        why = until(lambda: "too hot" in (d := day.job(job)["detail"]) and d, "its reason")
        assert "goes on at 70" in why
        day.hears_something_new("in the heat")
        steps = day.job(job)["progress"]["step"]
        assert day.job(job)["state"] == "paused"

        # One: the cat pulls the microphone's cable, and somebody puts it back.
        sound.rename(tmp_path / "pulled")
        until(lambda: day.microphone()["state"] in ("missing", "failed"), "the loss to be seen")
        assert day.microphone()["advice"]
        until(lambda: day.told_of("microphone-lost") == 1, "the hook to be told")
        (tmp_path / "pulled").rename(sound)
        until(lambda: day.microphone()["state"] == "running", "the microphone to be back")
        until(lambda: day.told_of("microphone-back") == 1, "the hook to be told")
        assert day.job(job)["progress"]["step"] == steps, "it is as hot as before"

        # Two: somebody fills the disk. What is worth least is given up first.
        day.leave_free(52)
        until(lambda: day.level() == "low", "low space")
        until(lambda: client.get("/status")["history"]["state"] == "shed", "the history to go")
        day.clip_of(day.hears_something_new("at low"))
        day.leave_free(38)
        until(lambda: day.level() == "short", "short space")
        until(lambda: not day.trigger()["recording"], "the trigger to be at rest")
        spared = day.hears_something_new("while space is short")
        triggered = day.trigger()["clips"]
        until(lambda: day.trigger()["clips"] > triggered, "triggered recordings, still")
        assert client.get(f"/detections/{spared['id']}")["clip"] is None
        day.leave_free(24)
        until(lambda: day.level() == "critical", "critical space")
        until(lambda: not day.trigger()["recording"], "the last one to be stored")
        before = day.trigger()
        until(lambda: day.trigger()["missed"] >= before["missed"] + 2, "sounds that are spared")
        assert day.trigger()["no_room"]
        assert day.trigger()["clips"] <= before["clips"] + 1

        # Three: the disk is full. Labels and jobs go on; new sounds are refused, and say why.
        day.leave_free(12)
        until(lambda: day.level() == "full", "a full disk")
        with pytest.raises(ClientError, match="disk is full") as refused:
            client.upload("/clips", [sound], {"label": "low"})
        assert refused.value.status == 507
        clip = min(labels)
        client.put(f"/clips/{clip}/label", {"label": "high"})
        client.put(f"/clips/{clip}/label", {"label": labels[clip]})
        second = client.post("/jobs", {"max_minutes": 6})["id"]
        client.post(f"/jobs/{second}/cancel")
        day.bench.warm(COOL_C)
        until(lambda: day.job(job)["state"] == "running", "the training to go on")
        until(lambda: (day.job(job)["progress"] or {})["step"] > steps, "another step")
        sick = next(c for c in client.get("/health")["checks"] if c["name"] == "disk")
        assert sick["state"] == "failing"
        day.leave_free(0)
        heard = day.microphone()["frames"]
        until(lambda: day.microphone()["frames"] > heard + toy.RATE, "sound, to the last byte")
        day.tidy_up()
        until(lambda: day.level() == "ok", "room again")
        until(lambda: client.get("/status")["history"]["state"] == "on", "the history")
        day.clip_of(day.hears_something_new("with room again"))
        assert day.told_of("disk-low") == 1, "told once, however bad it became"
        for level in ("low", "short", "critical", "full", "ok"):
            assert day.logged(f"room on the disk is {level}:") == 1

        # Eight in the evening: a power cut, in the middle of everything.
        seen = {clip["id"] for clip in client.pages("/clips")}
        frozen = day.job(job)["state"]
        day.box.kill()
        day.bench.boot("second")
        client = day.box.start()
        assert client.get("/status")["deployment"]["version"] == "V001"
        assert seen <= {clip["id"] for clip in client.pages("/clips")}
        assert {id: client.get(f"/clips/{id}")["label"] for id in labels} == labels
        day.hears_something_new("after the power cut")
        ended = until(
            lambda: (j := day.job(job))["state"] in ("completed", "failed") and j, "its end", 300
        )
        assert (ended["state"], ended["version"]) == ("completed", "V002"), (frozen, ended)
        assert client.post("/deployments", {"version": "V002"})["version"] == "V002"

        # Nine: the nightly backup, to a stick.
        # The box goes on listening: what it keeps after this need not be on the stick.
        kept = {clip["sha256"]: clip["label"] for clip in client.pages("/clips")}
        client.post("/backups", {"target": str(tmp_path / "stick")})
        made = until(
            lambda: (b := client.get("/backups")["latest"])["state"] != "running" and b, "a backup"
        )
        assert made["state"] == "done", made
        assert day.box.stop() == 0
    finally:
        if day.box.process is not None and day.box.process.poll() is None:
            day.box.stop()

    # Midnight: the disk dies. The stick goes into another box, which goes on where this one ended.
    subprocess.run(["umount", disk], check=True)
    other = Box(tmp_path / "other", EARMARK_GATE_LIMIT_S="0")
    subprocess.run(
        [
            sys.executable,
            "-m",
            "appliance.cli",
            "--data",
            other.data,
            "restore",
            tmp_path / "stick",
        ],
        check=True,
        capture_output=True,
    )
    try:
        client = other.start()
        restored = {clip["sha256"]: clip["label"] for clip in client.pages("/clips")}
        assert kept.items() <= restored.items()
        assert client.get("/status")["deployment"]["version"] == "V002"
        newest = client.get("/detections")["items"][0]["id"]
        again = until(
            lambda: next((d for d in client.get("/detections")["items"] if d["id"] > newest), None),
            "the other box to hear something",
        )
        assert (again["label"], again["version"]) == ("low", "V002")
        client.put(f"/clips/{min(labels)}/label", {"label": "high"})
        assert client.get(f"/clips/{min(labels)}")["label"] == "high"
    finally:
        if other.process is not None and other.process.poll() is None:
            assert other.stop() == 0
