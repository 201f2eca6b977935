"""The daemon as systemd and the owner of its board see it."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from firmware_hooks.watchdog import FakeSystemd
from tests.box import Box, until


def received(systemd: FakeSystemd, wanted: str) -> None:
    for _ in range(1000):
        message = systemd.received(60)
        assert message is not None, f"no {wanted} within a minute"
        if message == wanted:
            return
    raise AssertionError(f"a thousand messages and no {wanted}")


@pytest.mark.slow(15)
def test_systemd_is_told_a_pause_outlives_kill_9_and_hooks_hear_of_it(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).normal(scale=0.1, size=120 * 8000)
    soundfile.write(tmp_path / "sound.wav", noise, 8000, subtype="PCM_16")
    systemd = FakeSystemd(str(tmp_path / "notify"), watchdog_s=30)
    box = Box(tmp_path / "box", **systemd.environment)
    try:
        client = box.start()
        received(systemd, "READY=1")
        received(systemd, "WATCHDOG=1")
        board = client.get("/board")
        assert board["board"]["model"]
        assert (board["watchdog_s"], board["hung"]) == (30, [])
        hook = box.data / "hooks" / "tell.sh"
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ncat >> '{tmp_path}/told'\n")
        hook.chmod(0o755)

        microphone = client.post("/microphones", {"source": f"replay:{tmp_path / 'sound.wav'}"})
        path = f"/microphones/{microphone['id']}"
        until(lambda: client.get(path)["status"]["state"] == "running", "sound")
        paused = client.post("/privacy/pause", {"for_s": 3600})
        assert paused["paused"]
        until(lambda: client.get(path)["status"]["state"] == "paused", "the pause")
        refused = client.get("/status")
        assert "until" in refused["privacy"]["detail"]
        told = tmp_path / "told"
        until(lambda: told.exists() and told.read_text().count("\n") == 1, "the hook of the pause")

        box.kill()
        client = box.start()
        assert client.get("/privacy")["pauses"] == paused["pauses"]
        until(lambda: client.get(path)["status"]["state"] == "paused", "the pause of before")
        assert client.get(path)["status"]["frames"] == 0, "not a moment was heard"
        assert not client.post("/privacy/resume")["paused"]
        until(lambda: client.get(path)["status"]["state"] == "running", "sound again")

        until(lambda: told.read_text().count("\n") == 2, "the hook of its end")
        assert [json.loads(line)["event"] for line in told.read_text().splitlines()] == [
            "paused",
            "resumed",
        ]
        assert box.stop() == 0
        received(systemd, "STOPPING=1")
    finally:
        if box.process is not None and box.process.poll() is None:
            box.stop()
        systemd.close()
