"""Promises 1 to 4, from outside: kill -9 of the daemon in each state of a job, and no job, clip
or label that was acknowledged is lost."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest

from appliance.client import Client
from tests.box import Box, until
from tests.e2e.lessons import teach

pytestmark = pytest.mark.slow(80)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"


def child_of_training(box: Box) -> int:
    assert box.process is not None
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes()
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
            if b"appliance.training.worker" in command and parent == box.process.pid:
                return int(entry.name)
    return 0


def wait_for_end(client: Client, job: int) -> dict[str, Any]:
    return until(
        lambda: (
            (found := client.get(f"/jobs/{job}"))["state"] in ("completed", "failed", "cancelled")
            and found
        ),
        f"job {job} to end",
        420,
    )


@pytest.mark.timeout(1200)
def test_a_job_survives_kill_9_in_each_state(box: Box, digits: dict[str, list[Path]]) -> None:
    client = box.start()
    clips = len(teach(client, digits))
    first = client.post("/jobs", {"max_minutes": 60})
    second = client.post("/jobs", {"max_minutes": 60})

    # starting: killed as soon as the job is accepted
    box.kill()
    client = box.start()
    assert client.get("/status")["clips"] == clips
    assert client.get(f"/jobs/{second['id']}")["state"] == "queued"

    # running: killed while a child trains; the child does not outlive the daemon
    until(
        lambda: (client.get(f"/jobs/{first['id']}")["progress"] or {}).get("step"),
        "the first step",
    )
    pid = child_of_training(box)
    assert pid
    box.kill()
    until(lambda: not alive(pid), "the training child to end with its daemon")
    client = box.start()

    ended = wait_for_end(client, first["id"])
    assert (ended["state"], ended["reason"]) == ("completed", "converged")
    assert 2 <= ended["attempts"] <= 3
    assert ended["version"] == "V001"

    # queued: the second one goes on by itself, and is cancelled while it runs
    until(lambda: client.get(f"/jobs/{second['id']}")["state"] == "running", "the second job")
    client.post(f"/jobs/{second['id']}/cancel")
    assert wait_for_end(client, second["id"])["state"] == "cancelled"

    # ended: what is finished stays finished
    box.kill()
    client = box.start()
    assert client.get(f"/jobs/{first['id']}")["version"] == "V001"
    assert client.get("/versions/V001")["accuracy"] is not None


def test_a_child_that_dies_is_a_failure_with_a_name(
    box: Box, digits: dict[str, list[Path]]
) -> None:
    client = box.start()
    teach(client, digits)
    job = client.post("/jobs", {"max_minutes": 60})
    until(
        lambda: (client.get(f"/jobs/{job['id']}")["progress"] or {}).get("step"), "the first step"
    )
    os.kill(child_of_training(box), signal.SIGKILL)
    ended = wait_for_end(client, job["id"])
    assert (ended["state"], ended["reason"]) == ("failed", "crashed")
    assert "log" in (ended["detail"] + str(ended)).lower()


def test_clips_that_were_acknowledged_are_there_after_kill_9(box: Box, test_data: Path) -> None:
    client = box.start()
    files = sorted((test_data / "fsdd" / "recordings").glob("*.wav"))[:120]
    acknowledged: list[int] = []
    for round_ in range(3):
        deadline = time.monotonic() + 0.4
        for file in files[round_ * 40 : round_ * 40 + 40]:
            answer = client.upload("/clips", [file], {"label": "digit"})
            acknowledged += [clip["id"] for clip in answer["results"][0]["clips"]]
            if time.monotonic() > deadline:
                break
        box.kill()
        client = box.start()
    assert acknowledged
    for clip in acknowledged:
        found = client.get(f"/clips/{clip}")
        assert found["label"] == "digit"
        stored = box.data / "clips" / found["sha256"][:2] / f"{found['sha256']}.flac"
        assert stored.stat().st_size > 0
