"""Versions: figures, confusion matrix, comparing, deploying, rolling back, exporting, deleting."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from tests.box import Box
from tests.tui.conftest import LARGE, SMALL, comes, happens, running, shows

pytestmark = pytest.mark.anyio


async def test_a_version_is_looked_at_from_every_side(shared_box: Box) -> None:
    async with running(shared_box, SMALL) as (_, pilot):
        await pilot.press("f5")
        await shows(pilot, "V002")
        await shows(pilot, "balanced 88.0 %")
        await pilot.press("2")
        await shows(pilot, "background heard as background: 9 of 10")
        await pilot.press("down", "right", "right")
        await shows(pilot, "high heard as low: 2 of 10")
        await pilot.press("enter")
        await shows(pilot, "No clip of this box")
        for key, words in (("3", "architecture"), ("4", "converged"), ("5", "not deployed yet")):
            await pilot.press(key)
            await shows(pilot, words)
        await pilot.press("plus", "down", "equals_sign")
        await shows(pilot, "V002 and V001")
        await shows(pilot, "F1 by class")


async def test_deploy_roll_back_note_export_delete(shared_box: Box, tmp_path: Path) -> None:
    client = shared_box.client
    assert client is not None
    async with running(shared_box, LARGE) as (app, pilot):
        await pilot.press("f5")
        await shows(pilot, "balanced 88.0 %")
        for name in ("V002", "V001"):
            app.screen.query_one("#versions").go_to(name)  # type: ignore[attr-defined]
            await pilot.press("d")
            await shows(pilot, f"Deploy {name} with which precision?")
            await pilot.press("enter")
            await comes(
                pilot,
                lambda text, name=name: any(
                    name in line and " listens " in line for line in text.splitlines()[2:9]
                ),
                f"{name} listens",
            )
        await pilot.press("5")
        await shows(pilot, "agreement")
        await pilot.press("b", "y")
        current = lambda: client.get("/deployments")["current"]["version"]  # noqa: E731
        await happens(pilot, lambda: current() == "V002", "the version before")
        await pilot.press("n")
        await shows(pilot, "A note on V001")
        await pilot.press(*"barn", "enter")
        await comes(pilot, lambda text: "barn" in text, "the note in the list")
        assert client.get("/versions/V001")["note"] == "barn"
        await pilot.press("e")
        await shows(pilot, "Export V001")
        app.screen.query_one("Input").value = str(tmp_path / "v.zip")  # type: ignore[attr-defined]
        await pilot.press("enter")
        await shows(pilot, "is exported")
        assert (tmp_path / "v.zip").stat().st_size > 1000
        await pilot.press("delete")
        await shows(pilot, "Delete V001 for ever?")
        await pilot.press("enter")
        assert client.get("/versions/V001")["name"] == "V001"
        # What listens cannot be deleted, and that is said.
        app.screen.query_one("#versions").go_to("V002")  # type: ignore[attr-defined]
        await pilot.press("delete", "y")
        await comes(pilot, lambda text: "V002 is deployed" in text, "why not")


async def test_a_section_that_comes_late_does_not_cover_the_one_that_is_open(
    shared_box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with running(shared_box, SMALL) as (app, pilot):
        await pilot.press("f5")
        await shows(pilot, "balanced 88.0 %")
        get, line = app.box.get, asyncio.Event()
        held: list[str] = []
        came: list[str] = []

        async def slow(path: str, **query: Any) -> Any:
            answer = await get(path, **query)
            if path.endswith("/evaluation"):
                held.append(path)
                await line.wait()
                came.append(path)
            return answer

        monkeypatch.setattr(app.box, "get", slow)
        app.screen.reload()  # type: ignore[attr-defined]
        await happens(pilot, lambda: held, "the evaluation is on its way")
        await pilot.press("3")
        await shows(pilot, "architecture")
        line.set()
        await happens(pilot, lambda: came, "the evaluation has come")
        await pilot.pause()
        await shows(pilot, "architecture")


async def test_the_cells_of_an_imported_version_open_no_clips_of_this_box(
    shared_box: Box, tmp_path: Path
) -> None:
    client = shared_box.client
    assert client is not None
    file = client.download("/versions/V001/export", tmp_path / "v.zip")
    name = client.upload("/versions/import", [file])["name"]
    try:
        async with running(shared_box, SMALL) as (app, pilot):
            await pilot.press("f5")
            await shows(pilot, name)
            await pilot.press("2")
            await shows(pilot, "background heard as background: 9 of 10")
            # Another box counted them so; here the same numbers are other sounds.
            numbers = [{"clip": 1, "label": "background", "predicted": "background"}]
            app.screen._evaluation["predictions"] = numbers  # type: ignore[attr-defined]
            await pilot.press("enter")
            await shows(pilot, "the box that trained it")
            await shows(pilot, "[Versions]")
    finally:
        client.delete(f"/versions/{name}")
