"""The whole journey by keyboard: record, label, train, confirm, deploy, detection, confirm."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from textual.pilot import Pilot

from appliance.demo.signals import add_at
from appliance.demo.sounds import smoke_alarm
from appliance.demo.surroundings import quiet_room
from tests.box import Box
from tests.tui.conftest import LARGE, comes, happens, running, shows

pytestmark = [pytest.mark.anyio, pytest.mark.slow(70), pytest.mark.timeout(600)]
RATE = 16_000
EACH = 6
"""Clips of each class: one more than a training needs."""


def room(folder: Path) -> tuple[Path, Path]:
    """A quiet room, and the same with a smoke alarm every few seconds."""
    rng = np.random.default_rng(5)
    quiet = np.asarray(quiet_room(rng, 24 * RATE, RATE), dtype=np.float32) * 0.01
    loud = quiet.copy()
    for start in range(0, 24, 3):
        add_at(loud, np.asarray(smoke_alarm(rng, RATE))[: 3 * RATE] * 0.5, start * RATE)
    soundfile.write(folder / "quiet.wav", quiet, RATE)
    soundfile.write(folder / "alarm.wav", loud, RATE)
    return folder / "quiet.wav", folder / "alarm.wav"


async def record(pilot: Pilot[None], client: Any, clips: int) -> None:
    """Record with the microphone under the cursor until there are so many clips."""
    for have in range(client.get("/status")["clips"], clips):
        await pilot.press("r")
        for _ in range(600):
            if client.get("/status")["clips"] > have:
                break
            await pilot.pause(0.05)
        await comes(pilot, lambda text: "●" not in text, "the recording to end")


async def test_from_a_microphone_to_a_confirmed_detection(empty_box: Box, tmp_path: Path) -> None:
    client = empty_box.client
    assert client is not None
    quiet, alarm = room(tmp_path)
    for name, file in (("hall", alarm), ("room", quiet)):
        client.post("/microphones", {"source": f"replay:{file}?loop=1&speed=4", "name": name})
    async with running(empty_box, LARGE) as (app, pilot):
        # Record: the alarm with its label at once, the room without one.
        await shows(pilot, "Nothing is deployed")
        await pilot.press("f2")
        await comes(pilot, lambda text: text.count(" dB  trigger") == 2, "both microphones")
        await pilot.press("l")
        await shows(pilot, "What is recorded?")
        await pilot.press(*"alarm", "enter")
        await shows(pilot, "alarm (l)")
        await pilot.press("plus", "plus")
        await shows(pilot, "for 2.0 s")
        await record(pilot, client, EACH)
        await pilot.press("l", *"(no", "enter", "down")
        await shows(pilot, "no label (l)")
        await record(pilot, client, 2 * EACH)

        # Label: the first by a name that is new, the others by its digit.
        await pilot.press("f3")
        await shows(pilot, f"Inbox: {EACH}")
        await pilot.press("l")
        await shows(pilot, "Which label?")
        await pilot.press(*"background", "enter")
        await shows(pilot, "2 background")
        await pilot.press(*"2" * (EACH - 1))
        await shows(pilot, "The inbox is empty")

        # Train, after a look at what that means.
        await pilot.press("f4")
        await shows(pilot, "✓ ready to train")
        await pilot.press("n")
        await shows(pilot, "configuration")
        await pilot.press("f8")
        await shows(pilot, "confirm the specification")
        await pilot.press("f8")
        await shows(pilot, "Training 1 on")
        await shows(pilot, "V001 is on F5", 480)
        await pilot.press("enter")
        await shows(pilot, "[Versions]")
        await comes(pilot, lambda text: "recall" in text and "alarm" in text, "its figures")

        # Deploy, hear, confirm.
        await pilot.press("d")
        await shows(pilot, "which precision?")
        await pilot.press("enter")
        await happens(pilot, lambda: client.get("/deployments")["current"], "the deployment")
        await pilot.press("f1")
        await shows(pilot, "V001 listens since")
        rows = app.screen.query_one("#detections")
        for _ in range(1200):
            if rows.selected is not None:  # type: ignore[attr-defined]
                break
            await pilot.pause(0.05)
        heard = rows.selected  # type: ignore[attr-defined]
        assert heard is not None, client.get("/hearing")
        assert heard["label"] == "alarm"
        rows.go_to(heard["id"])  # type: ignore[attr-defined]
        await pilot.press("c")
        await shows(pilot, "✓ right")
        await happens(
            pilot,
            lambda: client.get(f"/detections/{heard['id']}")["review"] == "confirmed",
            "the review",
        )
        # The next training learns from it.
        found = await happens(
            pilot,
            lambda: (one := client.get(f"/detections/{heard['id']}"))["clip"] and one,
            "its clip",
        )
        await happens(
            pilot, lambda: client.get(f"/clips/{found['clip']}")["label"] == "alarm", "its label"
        )
