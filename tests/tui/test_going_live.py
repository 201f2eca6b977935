"""A version's way to listening: heard against what listens, refused with figures, forced, stopped,
and as a shadow that is ended."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import soundfile
from textual.pilot import Pilot

from appliance.client_errors import ClientError
from tests.box import Box, until
from tests.live.tones import HIGH_HZ, LOW_HZ, scene, write_version
from tests.tui.conftest import SMALL, comes, happens, publish, running, shows, started
from tui.app import EarmarkApp
from tui.gate_words import engine_words
from tui.widgets.rows import Rows

pytestmark = pytest.mark.anyio
RATE = 16_000
ELSEWHERE = 6_500.0


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """V001 hears low and high tones and listens; V002 is deaf to the high ones. There are labelled
    clips of both, and a history with one of each."""
    root = tmp_path_factory.mktemp("gate")
    data = root / "box"
    both = partial(write_version, labels={"low": LOW_HZ, "high": HIGH_HZ})
    publish(data, [both, partial(write_version, labels={"low": LOW_HZ, "high": ELSEWHERE})])
    sounds = scene(12, [(3.0, 0.5, LOW_HZ), (8.0, 0.5, HIGH_HZ)])
    soundfile.write(root / "evening.wav", sounds, RATE)
    with started(data, EARMARK_SPACE_LOW_MB="0") as box:
        client = box.client
        assert client is not None
        for label, hz in (("low", LOW_HZ), ("high", HIGH_HZ)):
            files = [root / f"{label}{number}.wav" for number in range(4)]
            for number, file in enumerate(files):
                soundfile.write(file, scene(1 + number / 8, [(0.0, 1.0, hz)]), RATE)
            client.upload("/clips", files, {"label": label})
        client.post("/deployments", {"version": "V001"})
        source = f"replay:{root / 'evening.wav'}?speed=4"
        client.post("/microphones", {"source": source, "name": "yard"})
        state = lambda: client.get("/microphones/yard")["status"]["state"]  # noqa: E731
        until(lambda: state() == "ended", "the end of the evening")
        yield box


async def on_versions(app: EarmarkApp, pilot: Pilot[None], name: str) -> None:
    await shows(pilot, "V001 listens")
    await pilot.press("f5")
    await shows(pilot, name)
    app.screen.query_one("#versions").go_to(name)  # type: ignore[attr-defined]


async def test_a_worse_version_is_refused_with_its_figures_and_forced(deployed: Box) -> None:
    client = deployed.client
    assert client is not None
    async with running(deployed, SMALL) as (app, pilot):
        await on_versions(app, pilot, "V002")
        await pilot.press("d", "enter")
        await shows(pilot, "V002 against V001: refused")
        await shows(pilot, "high: of 4 clips it recognises 0, not 4")
        assert client.get("/deployments")["current"]["version"] == "V001"
        # What was lost, down to its sound as a clip.
        rows = app.screen.query_one(Rows)
        [lost] = [row.key for row in rows.rows if row.data]
        rows.go_to(lost)
        await shows(pilot, "▸   - high")
        await pilot.press("enter")
        await shows(pilot, "Chosen clips: 1")
        [cut] = client.get("/clips", source="history")["items"]
        assert 2 < cut["duration_s"] < 5
        # The report is still there, and the person knows better.
        await pilot.press("f5")
        await shows(pilot, "V002 was refused")
        await pilot.press("w")
        await shows(pilot, "Deploy it all the same (f)")
        await pilot.press("f")
        await shows(pilot, "which precision?")
        await pilot.press("enter")
        await happens(
            pilot, lambda: client.get("/deployments")["current"]["version"] == "V002", "by force"
        )
        await shows(pilot, "V002 listens:")
        await pilot.press("escape")
        await comes(pilot, lambda text: "V002 listens:" not in text, "seen")
        await pilot.press("b", "y")
        await happens(
            pilot, lambda: client.get("/deployments")["current"]["version"] == "V001", "back again"
        )


async def test_a_comparison_is_stopped_and_nothing_is_deployed(deployed: Box) -> None:
    client = deployed.client
    assert client is not None
    # A clip that is never read to its end holds the comparison where it is.
    held = next(iter(sorted((deployed.data / "clips").glob("??/*.flac"))))
    held.rename(held.with_suffix(".held"))
    os.mkfifo(held)
    async with running(deployed, SMALL) as (app, pilot):
        await on_versions(app, pilot, "V002")
        await pilot.press("d", "enter")
        await shows(pilot, "x stops")
        # On every screen, and no second one beside it.
        await pilot.press("f1")
        await shows(pilot, "V002 is heard against V001")
        await pilot.press("f5", "d", "enter")
        await shows(pilot, "is running")
        await pilot.press("x")
        await shows(pilot, "V002 is not deployed: the comparison was cancelled")
    held.unlink()
    held.with_suffix(".held").rename(held)
    assert client.get("/comparisons")["items"][0]["state"] == "cancelled"
    assert client.get("/deployments")["current"]["version"] == "V001"


async def test_a_build_is_stopped_and_what_listened_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "box"
    both = partial(write_version, labels={"low": LOW_HZ, "high": HIGH_HZ})
    publish(data, [both, both])
    # Nothing is heard before: what follows is about compiling alone.
    with started(data, EARMARK_GATE_LIMIT_S="0") as box:
        client = box.client
        assert client is not None
        client.post("/deployments", {"version": "V001"})
        # What the builder reads and never gets to its end holds it where it is.
        held = data / "versions" / "V002" / "reference.npz"
        held.unlink()
        os.mkfifo(held)
        body = {"version": "V002", "precision": "fp16", "wait_s": 0}
        work = lambda: client.get("/deployments")["work"]  # noqa: E731
        async with running(box, SMALL) as (app, pilot):
            await on_versions(app, pilot, "V002")
            client.post("/deployments", body)
            await shows(pilot, "The engine of V002 in fp16 is built")
            await pilot.press("x")
            await shows(pilot, "V002 is not deployed: the build of its engine was stopped")
            await comes(pilot, lambda text: "is built" not in text, "no build any more")
            # Cancelling the comparison ends the build that it led to as well.
            made = client.post("/deployments", body)
            await happens(pilot, work, "the second build")
            assert client.post(f"/comparisons/{made['id']}/cancel")["state"] == "cancelled"
            assert work() is None
            await comes(pilot, lambda text: "is built" not in text, "no build any more")
            await pilot.press("x")
            await shows(pilot, "No version is being heard or compiled")
        assert client.get("/deployments")["current"]["version"] == "V001"
        with pytest.raises(ClientError, match="no version is being deployed"):
            client.post("/deployments/cancel")


async def test_a_shadow_begins_is_looked_at_and_ends(deployed: Box) -> None:
    client = deployed.client
    assert client is not None
    async with running(deployed, SMALL) as (app, pilot):
        await on_versions(app, pilot, "V002")
        await pilot.press("s", "enter")
        await shows(pilot, "V002 listens silently beside V001")
        await comes(
            pilot,
            lambda text: any("V002" in line and " shadow " in line for line in text.splitlines()),
            "the shadow in the list",
        )
        await pilot.press("s")
        await shows(pilot, "0 windows, 0 missed")
        await pilot.press("e")
        await shows(pilot, "V002 listens no more")
        await comes(pilot, lambda text: "listens silently" not in text, "its end")
        # Somebody else's is seen as it comes and goes, without a key.
        client.post("/shadow", {"version": "V002"})
        await shows(pilot, "V002 listens silently beside V001")
        client.delete("/shadow")
        await comes(pilot, lambda text: "listens silently" not in text, "its end, told")
        await comes(pilot, lambda text: " shadow " not in text, "the list without it")
    assert client.get("/shadow")["current"] is None


def test_a_build_is_told_while_it_lasts() -> None:
    work = {"version": "V002", "precision": "fp16", "stage": "compiling", "fraction": 0.4}
    said = engine_words({**work, "state": "building", "detail": ""})
    assert said == "The engine of V002 in fp16 is built: compiling, 40 %"
    assert engine_words({**work, "state": "ready", "detail": ""}) == ""
    assert engine_words(None) == ""
