"""A recording that runs when the daemon stops, or dies: what was recorded is in the library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.client import Client
from tests.box import Box, until


@pytest.fixture
def box(tmp_path: Path) -> Iterator[Box]:
    made = Box(tmp_path / "box")
    yield made
    made.stop()


def length(client: Client) -> float:
    return float(sum(clip["duration_s"] for clip in client.get("/clips")["items"]))


def test_what_was_recorded_is_there_after_a_stop_and_after_a_crash(
    box: Box, counter_file: Path
) -> None:
    client = box.start()
    client.post("/microphones", {"source": f"replay:{counter_file}?speed=20&loop=1", "name": "a"})
    until(lambda: client.get("/microphones")["items"][0]["status"]["frames"], "sound")
    (begun,) = client.post("/recordings", {"microphones": ["a"], "seconds": 86_400})["items"]
    until(lambda: client.get(f"/recordings/{begun['id']}")["elapsed_s"] > 5, "some of it")
    assert box.stop() == 0

    client = box.start()
    stored = length(client)
    assert stored > 5, "no clip was full; the stop stored what was there"
    until(lambda: client.get("/microphones")["items"][0]["status"]["frames"], "sound")
    (begun,) = client.post("/recordings", {"microphones": ["a"], "seconds": 86_400})["items"]
    clips = until(lambda: client.get(f"/recordings/{begun['id']}")["clips"], "a full clip")
    box.kill()

    client = box.start()
    assert client.get(f"/clips/{clips[0]}")["duration_s"] == 60.0
    assert length(client) >= stored + 60
