"""Train: refused until ready, then configured, confirmed, queued, watched and cancelled."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.box import Box, until
from tests.tui.conftest import LARGE, SMALL, comes, import_sounds, running, shows
from tui.widgets.curve import braille

pytestmark = pytest.mark.anyio


async def test_it_cannot_be_pressed_until_ready_and_says_why(
    empty_box: Box, sounds: dict[str, list[Path]]
) -> None:
    client = empty_box.client
    assert client is not None
    async with running(empty_box) as (app, pilot):
        await pilot.press("f4")
        await shows(pilot, "0 of 2 classes have clips")
        assert app.screen.query_one("#train").disabled
        client.upload("/clips", sounds["high"][:3], {"label": "高い音"})
        await shows(pilot, "3 of 5: 2 more")
        await pilot.press("n")
        await shows(pilot, "Not ready to train")
        client.upload("/clips", sounds["high"][3:], {"label": "高い音"})
        import_sounds(empty_box, {"low": sounds["low"]})
        await shows(pilot, "✓ ready to train")


async def test_a_training_is_configured_confirmed_watched_and_cancelled(
    shared_box: Box,
) -> None:
    client = shared_box.client
    assert client is not None
    async with running(shared_box, LARGE) as (app, pilot):
        await pilot.press("f4")
        await shows(pilot, "✓ ready to train")
        await pilot.press("n")
        await shows(pilot, "configuration")
        minutes = app.screen.query_one("#minutes")
        minutes.value = "5"  # type: ignore[attr-defined]
        await pilot.press("f8")
        await shows(pilot, "whole minutes from 6 to 6000")
        minutes.value = "6"  # type: ignore[attr-defined]
        app.screen.query_one("#dataset").value = "first try"  # type: ignore[attr-defined]
        await pilot.press("f8")
        await shows(pilot, "Not a dataset version's name")
        app.screen.query_one("#dataset").value = "first"  # type: ignore[attr-defined]
        await pilot.press("f8")
        await shows(pilot, "confirm the specification")
        text = await shows(pilot, "first (new)")
        assert "trained from the start" in text
        assert client.get("/jobs")["items"] == []
        await pilot.press("f8")
        await shows(pilot, "Training 1 on first")
        await shows(pilot, "It goes on when you leave")
        assert client.get("/jobs/1")["dataset_version"] == "first"
        # Another one waits, and is taken back.
        client.post("/jobs", {"max_minutes": 6})
        await shows(pilot, "number 1, starts about")
        for job in (2, 1):
            app.screen.query_one("#jobs").go_to(job)  # type: ignore[attr-defined]
            await pilot.press("x")
            await shows(pilot, f"Cancel training {job}?")
            await pilot.press("y")
            until(lambda job=job: client.get(f"/jobs/{job}")["ended_at"], "the end")
        await comes(pilot, lambda text: "2 cancelled" in text, "the cancelled one")
        await pilot.press("l")
        await shows(pilot, "its moves")


async def test_notes_that_do_not_fit_a_small_window_are_counted_and_read(
    empty_box: Box, sounds: dict[str, list[Path]]
) -> None:
    assert empty_box.client is not None
    import_sounds(empty_box, {"high": sounds["high"], "low": sounds["low"]})
    for name in ("door", "kettle", "owl"):
        empty_box.client.post("/labels", {"name": name})
    async with running(empty_box, SMALL) as (_, pilot):
        await pilot.press("f4")
        text = await shows(pilot, "more: w reads all")
        assert "no background" not in text
        assert "Train (n)" in text
        await pilot.press("w")
        await shows(pilot, "no background: whatever the box hears will be taken for")
    async with running(empty_box, (140, 60)) as (_, pilot):
        await pilot.press("f4")
        await shows(pilot, "no background")
        assert "reads all" not in await shows(pilot, "✓ ready to train")


async def test_the_form_fits_a_small_window(shared_box: Box) -> None:
    async with running(shared_box, SMALL) as (_, pilot):
        await pilot.press("f4")
        await shows(pilot, "✓ ready to train")
        await pilot.press("n")
        await shows(pilot, "Next (F8)")
        await pilot.press("f8")
        await shows(pilot, "Submit (F8)")
        await pilot.press("escape")
        await shows(pilot, "[Train]")


def test_a_curve_rises_where_the_values_rise() -> None:
    lines = braille([0.0, 1.0, 2.0, 3.0], 2, 1)
    assert lines == ["⣠⠞"]
    assert braille([], 10, 3) == []
    assert braille([1.0], 3, 2)[0].strip() != ""
