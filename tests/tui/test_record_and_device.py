"""Record and Device: a replayed microphone is set up, recorded, triggered, and looked after."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.box import Box
from tests.tui.conftest import LARGE, SMALL, comes, running, shows

pytestmark = pytest.mark.anyio


@pytest.fixture
def scene(tmp_path: Path) -> Path:
    """A minute of faint noise with a beep every two seconds."""
    rate = 16_000
    sound = np.random.default_rng(1).normal(0, 0.001, 60 * rate)
    beep = 0.4 * np.sin(2 * np.pi * 1000 * np.arange(rate // 2) / rate)
    for second in range(1, 59, 2):
        sound[second * rate : second * rate + len(beep)] += beep
    path = tmp_path / "scene.wav"
    soundfile.write(path, sound.astype(np.float32), rate)
    return path


async def test_from_a_new_microphone_to_clips(empty_box: Box, scene: Path) -> None:
    assert empty_box.client is not None
    empty_box.client.post("/labels", {"name": "beep"})
    async with running(empty_box, LARGE) as (_, pilot):
        await shows(pilot, "connected")
        await pilot.press("f6")
        await shows(pilot, "free of")
        await pilot.press("a")
        await shows(pilot, "Which microphone?")
        await pilot.press(*"another", "enter")
        await shows(pilot, "Which source?")
        await pilot.press("escape", "a")
        await shows(pilot, "Which microphone?")
        # Or typed where one is asked for it.
        await pilot.press(*f"replay:{scene}", "enter")
        await shows(pilot, "be called?")
        await pilot.press(*["backspace"] * 10, *"yard", "enter")
        await comes(pilot, lambda text: "yard" in text and "running" in text, "it runs")
        await pilot.press("g")
        await shows(pilot, "Gain of yard")
        await pilot.press("backspace", *"99", "enter")
        await shows(pilot, "a number from -60 to 60")
        await pilot.press("backspace", "backspace", *"6", "enter")
        for _ in range(200):
            [view] = empty_box.client.get("/microphones")["items"]
            if view["gain_db"] == 6:
                break
            await pilot.pause(0.05)
        assert view["gain_db"] == 6

        # Recorded with a length, and until it is stopped with a label chosen meanwhile.
        await pilot.press("f2")
        await shows(pilot, "until you stop it")
        await pilot.press("plus", "r")
        await comes(pilot, lambda text: "   1.0 s   " in text, "the clip")
        await pilot.press("minus", "r")
        await shows(pilot, "● yard recording")
        await pilot.press("l")
        await shows(pilot, "What is recorded?")
        await pilot.press(*"beep", "enter")
        await shows(pilot, "beep (l)")
        await pilot.press("r")
        for _ in range(400):
            found = empty_box.client.get("/clips", label="beep")["items"]
            if found:
                break
            await pilot.pause(0.05)
        assert found

        # The box records by itself what rises.
        await pilot.press("t")
        await shows(pilot, "trigger at")
        # All of it where it is narrow, too.
        await pilot.resize_terminal(*SMALL)
        whole = re.compile(r"trigger at -?\d+ dB, (recording|\d+ clips?)$", re.MULTILINE)
        await comes(pilot, whole.search, "the whole line")
        await pilot.resize_terminal(*LARGE)
        for _ in range(600):
            found = empty_box.client.get("/clips", source="trigger")["items"]
            if found:
                break
            await pilot.pause(0.05)
        assert found
        await pilot.press("t")
        await shows(pilot, "trigger off")

        # Paused for privacy, seen on both screens.
        await pilot.press("f6", "p")
        await shows(pilot, "Close all microphones?")
        await pilot.press("y")
        await comes(pilot, lambda text: "‖" in text, "the pause")
        assert empty_box.client.get("/privacy")["paused"]
        await pilot.press("p")
        await comes(pilot, lambda text: "‖" not in text, "the end of the pause")
        await pilot.press("o")
        await shows(pilot, "privacy/resume by")
