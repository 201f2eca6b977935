"""The board, the owner's hooks, pausing, and clips that are kept, as clients see them."""

from __future__ import annotations

import pytest

from appliance.client import ClientError
from tests.api.conftest import Server, Sound


def test_the_board_and_its_figures_for_prometheus(shared: Server) -> None:
    board = shared.client().get("/board")
    assert board["board"]["model"] == "A fake board"
    assert board["temperatures"][1] == {"name": "tj", "celsius": 46.0, "critical": 105.0}
    assert board["watts"] == 4.8
    assert board["gpu_load"] is None
    assert board["power_mode"] == {"id": 1, "name": "25W"}
    assert board["heat"] == {"hot": False, "pause_at": None, "resume_at": None}
    assert board["button"] == {"line": "", "problem": "", "state": ""}
    figures = shared.http().get(f"{shared.url}/metrics").text
    for line in (
        'earmark_temperature_celsius{zone="tj"} 46.0',
        'earmark_power_watts{rail="VDD_IN"} 4.8',
        'earmark_power_mode{mode="25W"} 1.0',
        "earmark_hung_loops 0.0",
        "earmark_paused 0.0",
    ):
        assert line in figures.splitlines()


def test_a_hook_is_listed_and_tried(server: Server) -> None:
    client = server.client()
    assert client.get("/hooks")["hooks"] == []
    hook = server.services.house.folder.hooks / "hello.sh"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\necho hello $EARMARK_EVENT; exit 3\n")
    hook.chmod(0o755)
    tested = client.post("/hooks/test", {"name": "hello.sh", "event": "disk-low"})
    assert tested["run"]["output"] == "hello disk-low"
    assert tested["hook"]["last_status"] == 3
    with pytest.raises(ClientError, match="no hook 'nobody'"):
        client.post("/hooks/test", {"name": "nobody"})


def test_a_pause_is_said_in_the_status(server: Server) -> None:
    client = server.client()
    assert client.post("/privacy/pause")["pauses"][0]["author"] == "tester"
    assert client.get("/status")["privacy"]["paused"]
    assert client.post("/privacy/pause", {"for_s": 60, "reason": "visitors"})["paused"]
    assert len(client.get("/privacy")["pauses"]) == 2
    assert client.post("/privacy/resume") == client.get("/privacy")
    with pytest.raises(ClientError, match="for_s"):
        client.post("/privacy/pause", {"for_s": 0})


def test_clips_are_kept_and_released_all_or_none(server: Server, sound: Sound) -> None:
    client = server.client()
    client.upload("/clips", [sound(), sound()], {})
    ids = [clip["id"] for clip in client.get("/clips")["items"]]
    assert client.post("/clips/keep", {"clips": ids})["changed"] == 2
    assert all(clip["protected"] for clip in client.get("/clips")["items"])
    with pytest.raises(ClientError, match="no clip 99"):
        client.post("/clips/keep", {"clips": [*ids, 99], "keep": False})
    assert all(clip["protected"] for clip in client.get("/clips")["items"])
    assert client.post("/clips/keep", {"clips": ids, "keep": False})["changed"] == 2
