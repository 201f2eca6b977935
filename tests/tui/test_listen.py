"""Listen: a real microphone's sound, real detections, judged by one key."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.client import quoted
from tests.box import Box, until
from tests.models import toy
from tests.tui.conftest import (
    LARGE,
    comes,
    happens,
    publish_toy,
    running,
    screen_text,
    shows,
    started,
)
from tui.widgets.clip_rows import ClipRows

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def listening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """A box that listens to a replay with a high and a low tone every few seconds."""
    root = tmp_path_factory.mktemp("listening")
    quiet = np.random.default_rng(1).normal(0, 0.001, 2 * toy.RATE).astype(np.float32)
    scene = [quiet, toy.tone(toy.HIGH_HZ), quiet, toy.tone(toy.LOW_HZ), quiet]
    soundfile.write(root / "scene.wav", np.concatenate(scene), toy.RATE)
    publish_toy(root / "box")
    with started(root / "box") as box:
        client = box.client
        assert client is not None
        client.post("/deployments", {"version": "V001"})
        source = f"replay:{root / 'scene.wav'}?loop=1"
        client.post("/microphones", {"source": source, "name": "納屋 مرحبا"})
        until(lambda: len(client.get("/detections")["items"]) >= 2, "two detections")
        yield box


async def test_what_is_heard_is_shown_and_judged(listening: Box, tmp_path: Path) -> None:
    client = listening.client
    assert client is not None
    async with running(listening, LARGE) as (app, pilot):
        text = await shows(pilot, "V001 listens")
        await comes(pilot, lambda text: "▀" in text, "a spectrogram")
        text = await comes(pilot, lambda text: "running" in text and "dB" in text, "the level")
        assert "納屋 مرحبا" in text
        await comes(pilot, lambda text: "█" in text.split("Hears now")[1], "scores")
        rows = app.screen.query_one("#detections")
        await pilot.press("down")
        chosen = rows.selected["id"]  # type: ignore[attr-defined]
        await pilot.press("c")
        await shows(pilot, "✓ right")
        await happens(
            pilot,
            lambda: client.get(f"/detections/{chosen}")["review"] == "confirmed",
            "the review",
        )
        await pilot.press("r")
        await shows(pilot, "What was it?")
        await pilot.press(*"door bell", "enter")
        await shows(pilot, "✗ door bell")
        found = client.get(f"/detections/{chosen}")
        assert (found["review"], found["review_label"]) == ("refuted", "door bell")
        await pilot.press("u")
        await happens(
            pilot, lambda: client.get(f"/detections/{chosen}")["review"] is None, "taken back"
        )


async def test_a_microphone_that_is_listened_to_is_shown_first(listening: Box) -> None:
    client = listening.client
    assert client is not None
    heard = next(one for one in client.get("/microphones")["items"] if one["listen"])
    source = f"{heard['source'].partition('?')[0]}?loop=1&speed=1"
    other = client.post("/microphones", {"source": source, "name": "a yard"})["id"]
    try:
        client.patch(f"/microphones/{quoted(other)}", {"listen": False})
        running_now = lambda: client.get(f"/microphones/{quoted(other)}")["status"]["state"]  # noqa: E731
        until(lambda: running_now() == "running", "the other microphone runs")
        async with running(listening, LARGE) as (app, pilot):
            await comes(pilot, lambda text: "a yard" in text and "▀" in text, "both microphones")
            rows = app.screen.query_one("#microphones")
            assert rows.rows[0].key == other  # type: ignore[attr-defined]
            assert rows.selected == heard["id"]  # type: ignore[attr-defined]
    finally:
        client.delete(f"/microphones/{quoted(other)}")


async def test_what_the_box_would_say_is_accepted_by_enter(listening: Box) -> None:
    client = listening.client
    assert client is not None
    async with running(listening) as (app, pilot):
        await shows(pilot, "V001 listens")
        await pilot.press("f3")
        await shows(pilot, "Accept")
        rows = app.screen.query_one(ClipRows)
        await comes(pilot, lambda _: rows.clip and rows.clip.suggested, "a suggestion", 60)
        clip = rows.clip
        assert clip is not None
        wanted = clip.suggested
        await pilot.press("enter")
        await happens(
            pilot, lambda: client.get(f"/clips/{clip.id}")["label"] == wanted, "its label"
        )


async def test_a_microphone_that_ended_shows_no_old_scores(listening: Box) -> None:
    client = listening.client
    assert client is not None
    [view] = client.get("/microphones")["items"]
    async with running(listening) as (_, pilot):
        await comes(pilot, lambda text: "%" in text.split("Hears now")[1][:400], "scores")
        client.patch(f"/microphones/{quoted(view['id'])}", {"enabled": False})
        await shows(pilot, "nothing: it is stopped")
        client.patch(f"/microphones/{quoted(view['id'])}", {"enabled": True})
        await comes(pilot, lambda text: "nothing: it is" not in text, "scores again")


async def test_while_it_is_paused_no_old_sound_is_shown(listening: Box) -> None:
    client = listening.client
    assert client is not None
    async with running(listening) as (_, pilot):
        await comes(pilot, lambda text: "▀" in text, "a spectrogram")
        client.post("/privacy/pause")
        try:
            text = await shows(pilot, "paused: no microphone is open")
            assert "▀" not in text
            await shows(pilot, "nothing: it is paused")
            await shows(pilot, "p on F6 Device resumes")
        finally:
            client.post("/privacy/resume")
        await comes(pilot, lambda text: "paused" not in text and "▀" in text, "sound again")


async def test_over_a_poor_line_there_is_no_spectrogram(listening: Box) -> None:
    async with running(listening, low_bandwidth=True) as (app, pilot):
        await shows(pilot, "running")
        await comes(pilot, lambda text: "%" in text.split("Hears now")[1], "scores")
        assert not app.screen.query_one("#sweep").display
        # Nothing that comes several times a second is even asked for.
        assert app.box._live is None


async def test_an_empty_box_says_what_to_do(empty_box: Box) -> None:
    async with running(empty_box) as (_, pilot):
        await shows(pilot, "No microphone is set up")
        await shows(pilot, "Nothing is deployed")
        await shows(pilot, "Nothing was detected yet")
        await pilot.press("c", "x", "u", "r", "m")
        await shows(pilot, "[Listen]")


async def test_what_a_removed_microphone_heard_keeps_its_name(listening: Box) -> None:
    """The last one here: the microphone does not come back."""
    client = listening.client
    assert client is not None
    [view] = client.get("/microphones")["items"]
    async with running(listening, LARGE) as (_, pilot):
        await shows(pilot, "V001 listens")
        client.delete(f"/microphones/{quoted(view['id'])}")
        # At once, and for whoever comes later.
        await comes(pilot, lambda text: f"{view['name']} (rem" in text, "the name")
        assert view["id"] not in screen_text(pilot)
    async with running(listening, LARGE) as (_, pilot):
        await comes(pilot, lambda text: f"{view['name']} (rem" in text, "the name")
        await pilot.press("f3")
        await shows(pilot, "[Label]")
        await pilot.press("i")
        await shows(pilot, "All clips")
        await comes(pilot, lambda text: f"{view['name']} (removed)" in text, "with its clips")
