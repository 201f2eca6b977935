"""The shell: screens, keys, help, palette, sizes, and a daemon that goes and comes."""

from __future__ import annotations

import pytest

from tests.box import Box
from tests.tui.conftest import LARGE, running, shows
from tui.keys import keys_of
from tui.pages import PAGES
from tui.toasts import toast_for

pytestmark = pytest.mark.anyio


async def test_each_screen_is_one_key_away_and_says_where_one_is(shared_box: Box) -> None:
    async with running(shared_box, LARGE) as (_, pilot):
        await shows(pilot, "connected")
        for entry in (*PAGES, PAGES[0]):
            await pilot.press(entry.keys.split(",")[0])
            await shows(pilot, f"[{entry.title}]")


async def test_help_lists_the_keys_of_the_screen(shared_box: Box) -> None:
    async with running(shared_box) as (_, pilot):
        await shows(pilot, "[Listen]")
        await pilot.press("question_mark")
        text = await shows(pilot, "Take back")
        # The screen's own keys stand first, what Textual brings last or not at all.
        assert text.index("the detection was right") < text.index("Take back")
        await pilot.press("end")
        text = await shows(pilot, "Dark or light")
        assert text.index("Dark or light") < text.index("To the next part of the screen")
        assert "Copy selected" not in text
        await pilot.press("escape")
        await pilot.press("ctrl+p")
        text = await shows(pilot, "Go to Versions")
        assert "Focus Next" not in text


async def test_the_palette_offers_the_screens_own_keys_first(shared_box: Box) -> None:
    async with running(shared_box, LARGE) as (app, pilot):
        await shows(pilot, "[Listen]")
        words = [key.words for key in keys_of(app.screen, app)]
        assert words[:5] == ["Right", "Wrong", "Relabel", "Take back", "Microphone"]
        assert words[-2:] == ["To the next part of the screen", "To the part before"]
        assert not [word for word in words if "Focus" in word or "Copy" in word]
        await pilot.press("f5")
        await shows(pilot, "[Versions]")
        for key in keys_of(app.screen, app):
            assert len(set(key.shown)) == len(key.shown), key


async def test_the_same_words_are_one_toast(shared_box: Box) -> None:
    async with running(shared_box) as (app, pilot):
        await shows(pilot, "[Listen]")
        await pilot.press("f3")
        await shows(pilot, "[Label]")
        await pilot.press("u", "u", "u", "r")
        await shows(pilot, "Nothing to redo.")
        said = [toast.message for toast in app._notifications]
        assert said.count("Nothing to undo.") == 1, said


async def test_a_window_too_small_is_told_so_and_recovers(shared_box: Box) -> None:
    async with running(shared_box) as (_, pilot):
        await shows(pilot, "[Listen]")
        await pilot.resize_terminal(60, 20)
        await shows(pilot, "make it larger")
        await pilot.resize_terminal(80, 24)
        await shows(pilot, "[Listen]")


async def test_a_daemon_that_is_killed_and_returns_is_told_and_found_again(
    empty_box: Box,
) -> None:
    async with running(empty_box) as (app, pilot):
        await shows(pilot, "connected")
        empty_box.kill()
        await shows(pilot, "Trying again")
        app.outbox.post("a label", "post", "/labels", {"name": "bell"})
        await shows(pilot, "1 to send")
        empty_box.start()
        await shows(pilot, "The daemon is there again")
        assert empty_box.client is not None
        for _ in range(100):
            if not len(app.outbox):
                break
            await pilot.pause(0.05)
        names = [row["name"] for row in empty_box.client.get("/labels")["items"]]
        assert "bell" in names


def test_what_the_box_did_by_itself_is_said_with_what_to_do() -> None:
    notice = {"id": 1, "topic": "database", "state": "failing", "says": "It was lost.", "at": 0.0}
    said = toast_for("notice", {**notice, "advice": "`earmark\x1b[31m doctor`", "read_by": ""})
    assert said is not None
    assert (said[1], said[0].splitlines()[0]) == ("error", "It was lost.")
    assert "\x1b" not in said[0]
