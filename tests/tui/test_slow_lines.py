"""Over a slow line: an answer that comes late covers nothing newer, and a key is for the row that
was under the cursor when it was pressed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from appliance.client import Client, quoted
from tests.box import Box
from tests.tui.conftest import (
    LARGE,
    SMALL,
    SlowLine,
    comes,
    happens,
    import_sounds,
    running,
    shows,
)
from tui.widgets import rows as rows_module
from tui.widgets.clip_rows import ClipRows
from tui.widgets.detection_rows import DetectionRows
from tui.widgets.job_rows import JobRows
from tui.widgets.microphone_rows import MicrophoneRows

pytestmark = pytest.mark.anyio


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow this machine is, a key pressed next comes soon enough."""
    monkeypatch.setattr(rows_module, "MEANT_S", 30.0)


async def test_a_digit_is_not_for_the_clip_that_slid_under_the_cursor(
    empty_box: Box, sounds: dict[str, list[Path]], patient: None
) -> None:
    client = empty_box.client
    assert client is not None
    client.upload("/clips", [*sounds["high"], *sounds["low"]])
    for name in ("bell", "door"):
        client.post("/labels", {"name": name})
    async with running(empty_box, LARGE) as (app, pilot):
        await shows(pilot, "connected")
        await pilot.press("f3")
        await shows(pilot, "Inbox: 12")
        rows = app.screen.query_one(ClipRows)
        await pilot.press("down", "down")
        first, second, third = rows.clips[2].id, rows.clips[3].id, rows.clips[4].id
        client.post("/clips/label", {"clips": [first], "label": "door"})
        await happens(pilot, lambda: first not in rows.clips, "another client took it")
        # The finger was on its way to the clip that was there.
        await pilot.press("1")
        await shows(pilot, f"away from clip {first}: press again")
        assert second in rows.clips
        await pilot.press("1")
        await happens(
            pilot, lambda: client.get(f"/clips/{second}")["label"] == "bell", "the second press"
        )
        # One's own keys move it, too, and the next one is for what they moved it to.
        await pilot.press("2")
        await happens(
            pilot, lambda: client.get(f"/clips/{third}")["label"] == "door", "the next clip"
        )
        assert client.get(f"/clips/{first}")["label"] == "door"
        # What was meant when a dialog opened is what its answer is for.
        meant, beside = rows.clips[2].id, rows.clips[3].id
        await pilot.press("l")
        await shows(pilot, "Which label?")
        client.post("/clips/label", {"clips": [rows.clips[0].id], "label": "door"})
        client.delete(f"/clips/{rows.clips[1].id}")
        await happens(pilot, lambda: len(rows.clips) == 7, "two fewer")
        await pilot.press(*"bell", "enter")
        await happens(pilot, lambda: client.get(f"/clips/{meant}")["label"] == "bell", "that clip")
        assert client.get(f"/clips/{beside}")["label"] is None


async def test_a_microphone_that_slid_away_is_named(empty_box: Box, patient: None) -> None:
    client = empty_box.client
    assert client is not None
    for name in ("barn", "yard"):
        body = {"source": f"replay:/nowhere/{name}.wav", "name": name, "enabled": False}
        client.post("/microphones", body)
    async with running(empty_box, LARGE) as (app, pilot):
        await pilot.press("f6")
        await shows(pilot, "yard")
        rows = app.screen.query_one(MicrophoneRows)
        await happens(pilot, lambda: rows.current, "a row under the cursor")
        rows.go_to(client.get("/microphones/barn")["id"])
        rows.settle()
        client.delete(f"/microphones/{quoted(client.get('/microphones/barn')['id'])}")
        await happens(pilot, lambda: len(rows.rows) == 1, "another client removed it")
        await pilot.press("d")
        await shows(pilot, "away from microphone barn: press again")


async def test_a_late_list_of_clips_knows_what_happened_meanwhile(
    empty_box: Box, sounds: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    client = empty_box.client
    assert client is not None
    client.upload("/clips", sounds["high"])
    client.post("/labels", {"name": "bell"})
    async with running(empty_box, LARGE) as (app, pilot):
        await shows(pilot, "connected")
        await pilot.press("f3")
        await shows(pilot, "Inbox: 6")
        rows = app.screen.query_one(ClipRows)
        line = SlowLine(app, monkeypatch, "/inbox")
        app.screen.reload()  # type: ignore[attr-defined]
        await line.until_held(pilot)
        taken = rows.clips[2].id
        client.post("/clips/label", {"clips": [taken], "label": "bell"})
        client.upload("/clips", sounds["low"][:1])
        await happens(pilot, lambda: taken not in rows.clips and len(rows.clips) == 6, "both")
        await line.come(pilot)
        assert taken not in rows.clips, "it would be labelled again, over what another one said"
        await happens(pilot, lambda: len(rows.clips) == 6, "the new one, too")


async def test_late_answers_do_not_cover_what_events_have_told(
    shared_box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = shared_box.client
    assert client is not None
    now = client.get("/deployments")["current"]
    before = now["version"] if now else "none"
    name = "V002" if before == "V001" else "V001"
    async with running(shared_box, LARGE) as (app, pilot):
        await shows(pilot, "connected")
        await happens(pilot, lambda: app.screen.fresh, "the first page")  # type: ignore[attr-defined]
        line = SlowLine(app, monkeypatch, "/status", "/detections", "/jobs")
        app.screen.reload()  # type: ignore[attr-defined]
        await line.until_held(pilot)
        client.post("/deployments", {"version": name, "force": True})
        await shows(pilot, f"{name} listens since")
        await line.come(pilot)
        await comes(pilot, lambda text: f"{name} listens since" in text, "the newer one")
        assert app.status["deployment"]["version"] == name


async def test_what_was_put_while_a_list_was_asked_for_stays(shared_box: Box) -> None:
    async with running(shared_box, LARGE) as (app, pilot):
        await shows(pilot, "connected")
        found = app.screen.query_one(DetectionRows)
        detection = {
            "id": 7,
            "label": "bell",
            "score": 0.9,
            "microphone": "x",
            "started_at": 0.0,
            "ended_at": 1.0,
            "review": None,
            "review_label": None,
        }
        found.update_all([{**detection, "id": 6}])
        found.expect()
        found.put(detection)
        found.update_all([{**detection, "id": 6}])
        assert [row.key for row in found.rows] == [7, 6]
        # The key that was on its way when it came is for the one before.
        assert found.meant is not None
        assert found.meant["id"] == 6
        await pilot.press("f4")
        await shows(pilot, "[Train]")
        jobs = app.screen.query_one(JobRows)
        job = {
            "id": 900,
            "state": "running",
            "dataset_version": "d",
            "progress": None,
            "position": None,
            "expected_start": None,
            "reason": None,
            "detail": None,
            "used_s": None,
            "version": None,
            "ended_at": None,
        }
        jobs.expect()
        jobs.put({**job, "state": "completed", "version": "V009", "ended_at": 1.0})
        jobs.update_all([job])
        assert jobs.running is None


def yard(client: Client, folder: Path) -> str:
    """A microphone that hears noise for ever; its path in the API."""
    noise = np.random.default_rng(1).normal(0, 0.01, 16_000 * 20).astype(np.float32)
    soundfile.write(folder / "noise.wav", noise, 16_000)
    source = f"replay:{folder / 'noise.wav'}?loop=1"
    made = client.post("/microphones", {"source": source, "name": "yard"})
    return f"/microphones/{quoted(made['id'])}"


async def test_two_presses_before_the_first_is_answered_begin_and_end_one_recording(
    empty_box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = empty_box.client
    assert client is not None
    yard(client, tmp_path)
    async with running(empty_box, SMALL) as (app, pilot):
        await shows(pilot, "connected")
        await pilot.press("f2")
        await comes(pilot, lambda text: " dB  trigger off" in text, "the microphone runs")
        line = SlowLine(app, monkeypatch, "/recordings")
        await pilot.press("r")
        await line.until_held(pilot)
        await pilot.press("r")
        await pilot.pause(0.3)
        assert len(client.get("/recordings")["items"]) == 1
        await line.come(pilot)
        recordings = lambda: client.get("/recordings")["items"]  # noqa: E731
        await happens(
            pilot, lambda: recordings()[0]["state"] not in ("recording", "storing"), "its end"
        )
        assert len(recordings()) == 1


async def test_two_presses_turn_a_trigger_on_and_off(
    empty_box: Box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = empty_box.client
    assert client is not None
    path = yard(client, tmp_path)
    async with running(empty_box, SMALL) as (app, pilot):
        await shows(pilot, "connected")
        await pilot.press("f2")
        await comes(pilot, lambda text: " dB  trigger off" in text, "the microphone runs")
        line, put, told = SlowLine(app, monkeypatch, path), app.box.put, []

        async def telling(path: str, body: Any) -> Any:
            told.append(body)
            return await put(path, body)

        monkeypatch.setattr(app.box, "put", telling)
        await pilot.press("t")
        await line.until_held(pilot)
        await pilot.press("t")
        await line.come(pilot)
        await happens(pilot, lambda: len(told) == 2, "both presses")
        await happens(pilot, lambda: client.get(path)["trigger"] is None, "it is off again")
        assert told == [{}, None]


async def test_a_dialog_that_comes_late_does_not_open_over_another_page(
    shared_box: Box, sounds: dict[str, list[Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    if not shared_box.client or not shared_box.client.get("/status")["clips"]:
        import_sounds(shared_box, sounds)
    async with running(shared_box, SMALL) as (app, pilot):
        await shows(pilot, "connected")
        await pilot.press("f6")
        await shows(pilot, "free of")
        line = SlowLine(app, monkeypatch, "/log")
        await pilot.press("o")
        await line.until_held(pilot)
        await pilot.press("f1")
        await shows(pilot, "[Listen]")
        await line.come(pilot)
        text = await shows(pilot, "[Listen]")
        assert "The daemon's log" not in text
