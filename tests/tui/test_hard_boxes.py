"""Boxes that try the layout: nothing at all, 200 labels, names that are long, wide or run from
right to left; and a daemon of another version."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from tests.box import Box
from tests.tui.conftest import LARGE, SMALL, comes, publish_toy, running, shows, started
from tui.pages import PAGES

pytestmark = pytest.mark.anyio

LONG = "a clip with a name that somebody wrote who had much to say about it and about the weather"
HARD = ("جرس الباب الأمامي", "冷蔵庫のドアが閉まる音", "🔔 bell", LONG, "a\u202egnirts")
LABELS = 200


@pytest.fixture(scope="module")
def crowded(
    tmp_path_factory: pytest.TempPathFactory, sounds: dict[str, list[Path]]
) -> Iterator[Box]:
    """200 labels, a version, clips and a microphone whose names are as people write them."""
    root = tmp_path_factory.mktemp("crowded")
    publish_toy(root / "box")
    with started(root / "box") as box:
        client = box.client
        assert client is not None
        for name in HARD[:4]:
            client.upload("/clips", sounds["high"][:2], {"label": name})
        for number in range(LABELS - 4):
            client.post("/labels", {"name": f"label {number:03}"})
        files = []
        for place, name in enumerate(HARD):
            files.append(root / f"{name}.wav")
            files[-1].write_bytes(sounds["low"][place].read_bytes())
        client.upload("/clips", files)
        source = f"replay:{root / 'not there.wav'}"
        client.post("/microphones", {"source": source, "name": f"{HARD[1]} {HARD[0]}"})
        yield box


def assert_whole(pilot: Pilot[None]) -> None:
    """Every line fills the window to its edge, neither less nor more."""
    width = pilot.app.size.width
    strips = pilot.app.screen._compositor.render_strips()
    assert len(strips) == pilot.app.size.height
    for strip in strips:
        text = "".join(segment.text for segment in strip)
        assert strip.cell_length == width, text
        assert "\u202e" not in text, "what turns the line round is shown, not obeyed"


async def test_names_as_people_write_them_break_no_line(crowded: Box) -> None:
    async with running(crowded, SMALL) as (_, pilot):
        await shows(pilot, "connected")
        for size in (SMALL, LARGE):
            await pilot.resize_terminal(*size)
            for entry in PAGES:
                await pilot.press(entry.keys.split(",")[0])
                await shows(pilot, f"[{entry.title}]")
                await pilot.pause(0.2)
                assert_whole(pilot)
            await pilot.press("f3", "l")
            await shows(pilot, "Which label?")
            assert_whole(pilot)
            await pilot.press("escape")


async def test_two_hundred_labels_are_found_by_typing_and_reached_by_keys(crowded: Box) -> None:
    client = crowded.client
    assert client is not None
    async with running(crowded, SMALL) as (app, pilot):
        await shows(pilot, "connected")
        await pilot.press("f3")
        await shows(pilot, "Inbox: 4")
        await pilot.press("l")
        await shows(pilot, "Which label?")
        await pilot.press(*"label 17", "down", "down", "enter")
        await comes(pilot, lambda text: "Inbox: 3" in text, "one fewer")
        for _ in range(100):
            if client.get("/clips", label="label 172")["items"]:
                break
            await pilot.pause(0.05)
        assert client.get("/clips", label="label 172")["items"]
        await pilot.press("u")
        # The bars of readiness: what is missing first, the last label one key away.
        await pilot.press("f4")
        await shows(pilot, "2 of 5: 3 more")
        app.screen.query_one("#readiness").focus()
        await pilot.press("end")
        await shows(pilot, "▸ label 195")


async def test_an_empty_box_says_on_every_screen_what_to_do(empty_box: Box) -> None:
    words = {
        "listen": ("No microphone is set up", "Nothing is deployed", "Nothing was detected yet"),
        "record": ("No microphone is set up: add one on F6", "Nothing is recorded yet"),
        "label": ("No clip yet: record on F2", "No label yet: l makes one"),
        "train": ("0 of 2 classes have clips", "No training runs"),
        "versions": ("No version yet: train one on F4",),
        "device": ("No microphone is set up: a adds one", "free of"),
    }
    # Keys that need something to act on: none does harm where there is nothing.
    keys = {
        "listen": "cxrum+",
        "record": "rtb ",
        "label": "1lopux m[]",
        "train": "nxlv",
        "versions": "25dswxab=",
        "device": "edg",
    }
    async with running(empty_box, SMALL) as (app, pilot):
        for entry in PAGES:
            await pilot.press(entry.keys.split(",")[0])
            for sentence in words[entry.name]:
                await shows(pilot, sentence)
            for key in keys[entry.name]:
                await pilot.press({" ": "space", "+": "plus"}.get(key, key))
                await pilot.pause()
                if app.screen is not app._shown():
                    await pilot.press("escape")
            assert_whole(pilot)
            await shows(pilot, f"[{entry.title}]")


async def test_a_daemon_of_another_version_is_said_to_be_one(
    shared_box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tui.app.__version__", "0.0.1")
    async with running(shared_box, SMALL) as (_, pilot):
        text = await shows(pilot, "this is 0.0.1")
        assert "Restart the older one" in " ".join(text.split())
        # It works all the same, on every screen.
        await pilot.press("f5")
        await shows(pilot, "V002")
        await shows(pilot, "this is 0.0.1")
