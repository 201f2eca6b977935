"""What `record` and `job` say in a pipe: no bars, each thing once, and what is kept."""

from __future__ import annotations

from typing import Any

import pytest

from tests.cli.conftest import Call
from tests.cli.fake import Answer, FakeDaemon

BLOCKS = set("▏▎▍▌▋▊▉█▁▂▃▄▅▆▇#")
MICROPHONE = {"id": "m", "name": "kitchen", "enabled": True,
              "status": {"state": "running", "level_dbfs": -20.0}}  # fmt: skip
RECORDING: dict[str, Any] = {
    "id": 1, "microphone": "m", "label": None, "seconds": 10.0, "pre_roll_s": 4.0,
    "state": "recording", "detail": "", "elapsed_s": 13.0, "lost_frames": 0, "clips": [],
}  # fmt: skip
ENDED = {
    "state": "stored", "elapsed_s": 14.0, "lost_frames": 400, "clips": [7],
    "detail": "400 frames were lost by the microphone",
}  # fmt: skip


@pytest.fixture
def recording(fake: FakeDaemon, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What the daemon says of its recording, look after look; nothing more: it is gone."""
    monkeypatch.setattr("appliance.cli.record.PLAIN_EVERY_S", 0.0)
    monkeypatch.setattr("appliance.cli.record.LOOK_EVERY_S", 0.0)
    looks: list[dict[str, Any]] = []

    def before(method: str, path: str, body: Any) -> Answer | None:
        if path == "/microphones":
            return 200, {"items": [MICROPHONE]}
        if path == "/microphones/former":
            return 200, {"items": []}
        if path == "/recordings":
            return 201, {"items": [RECORDING]}
        if path == "/recordings/1":
            return (200, looks.pop(0)) if looks else (0, None)
        return None

    fake.before = before
    return looks


def test_a_recording_in_a_pipe(
    call: Call, fake: FakeDaemon, recording: list[dict[str, Any]]
) -> None:
    recording += [RECORDING, {**RECORDING, **ENDED}]
    done = call("--url", fake.url, "record", "--seconds", "10", "--pre-roll", "4")
    assert done.status == 0
    assert "kitchen  -20 dB  13 s of 14 s" in done.err, "the pre-roll comes on top"
    assert not BLOCKS & set(done.out + done.err)
    assert done.err.count("400 frames") == 1


def test_a_daemon_that_stops_keeps_what_was_recorded(
    call: Call, fake: FakeDaemon, recording: list[dict[str, Any]]
) -> None:
    recording += [RECORDING]
    done = call("--url", fake.url, "record", "10")
    assert done.status == 1
    assert "no daemon answers" in done.err
    assert "what was recorded so far is kept" in done.err
    assert "the last minute at most" in done.err


def test_a_training_in_a_pipe_has_no_curve(call: Call, fake: FakeDaemon) -> None:
    job = {
        "id": 1, "state": "completed", "reason": "", "detail": "", "plan": None, "progress": None,
        "used_s": 60.0, "limit_s": 600.0, "dataset_version": 1, "from_version": None,
        "flavor": "small", "attempts": 1, "version": "V001", "submitted_at": 1.0, "author": "ann",
        "started_at": 1.0, "ended_at": 61.0,
    }  # fmt: skip
    answers = {
        "/jobs/1": job,
        "/jobs/1/progress": {"items": [{"loss": 2.0}, {"loss": 1.0}, {"loss": 0.5}]},
        "/jobs/1/events": {"items": []},
    }
    fake.before = lambda method, path, body: (200, answers[path]) if path in answers else None
    done = call("--url", fake.url, "job", "1")
    assert done.status == 0
    assert "loss, 2.000 to 0.500" in done.out
    assert not BLOCKS & set(done.out)
