"""The Label screen on real clips: digits, undo, marks, filters, cuts, and a daemon that dies."""

from __future__ import annotations

import re
from pathlib import Path
from random import Random

import numpy as np
import pytest
import soundfile
from textual.pilot import Pilot

from tests.box import Box
from tests.tui.conftest import LARGE, comes, running, shows
from tui.app import EarmarkApp
from tui.clip_list import Clip, ClipList
from tui.filters import parse
from tui.pages.label import LabelPage
from tui.widgets.clip_rows import ClipRows
from tui.widgets.clip_sound import ClipSound

pytestmark = pytest.mark.anyio


@pytest.fixture
def box(empty_box: Box, tmp_path: Path) -> Box:
    """45 clips without a label, and three labels."""
    random = np.random.default_rng(3)
    files = []
    for number in range(45):
        files.append(tmp_path / f"sound-{number:02}.wav")
        soundfile.write(files[-1], random.normal(0, 0.1, 8000).astype(np.float32), 16_000)
    assert empty_box.client is not None
    empty_box.client.upload("/clips", files)
    for name in ("bell", "door", "kettle"):
        empty_box.client.post("/labels", {"name": name})
    return empty_box


def counts(box: Box) -> dict[str, int]:
    assert box.client is not None
    return {row["name"]: row["clips"] for row in box.client.get("/labels")["items"]}


async def until_sent(app: EarmarkApp, pilot: Pilot[None]) -> None:
    for _ in range(400):
        if not len(app.outbox):
            return
        await pilot.pause(0.05)
    raise AssertionError(f"still to send: {app.outbox.words}")


def rows_of(app: EarmarkApp) -> ClipRows:
    assert isinstance(app.screen, LabelPage)
    return app.screen.query_one(ClipRows)


async def opened(pilot: Pilot[None]) -> None:
    await shows(pilot, "connected")
    await pilot.press("f3")
    await shows(pilot, "Inbox: ")
    await shows(pilot, "1 bell")


async def test_forty_clips_by_digits_and_undo(box: Box) -> None:
    async with running(box, LARGE) as (app, pilot):
        await opened(pilot)
        await shows(pilot, "Inbox: 45")
        for number in range(40):
            await pilot.press(str(number % 3 + 1))
        await shows(pilot, "Inbox: 5")
        assert len(rows_of(app).rows) == 5
        await until_sent(app, pilot)
        assert counts(box) == {"bell": 14, "door": 13, "kettle": 13}
        for _ in range(3):
            await pilot.press("u")
        await shows(pilot, "Inbox: 8")
        await pilot.press("r")
        await until_sent(app, pilot)
        assert sum(counts(box).values()) == 38
        # The one that was just taken back is under the cursor again.
        await pilot.press("2")
        await until_sent(app, pilot)
        assert sum(counts(box).values()) == 39


async def test_marks_ranges_and_other_labels_in_all_clips(box: Box) -> None:
    async with running(box, LARGE) as (app, pilot):
        await opened(pilot)
        await pilot.press("i")
        await shows(pilot, "All clips: 45")
        await pilot.press("home", "space", "down", "down", "down", "v")
        await shows(pilot, "5 marked")
        await pilot.press("1")
        await until_sent(app, pilot)
        assert counts(box)["bell"] == 5
        await pilot.press("u")
        await until_sent(app, pilot)
        assert counts(box)["bell"] == 0
        # A new label by typing; it has a digit at once.
        await pilot.press("home", "l")
        await shows(pilot, "Which label?")
        await pilot.press(*"owl", "enter")
        await shows(pilot, "4 owl")
        await until_sent(app, pilot)
        assert counts(box)["owl"] == 1
        # On to the next clip without a label.
        assert rows_of(app).clip is not None
        assert rows_of(app)._cursor == 1
        await pilot.press("home", "0")
        await until_sent(app, pilot)
        assert counts(box)["owl"] == 0


async def test_clips_that_are_deleted_elsewhere_are_not_counted_any_more(box: Box) -> None:
    assert box.client is not None
    async with running(box, LARGE) as (app, pilot):
        await opened(pilot)
        await shows(pilot, "Inbox: 45")
        for clip in list(rows_of(app).clips)[:2]:
            box.client.delete(f"/clips/{clip.id}")
        await shows(pilot, "Inbox: 43")
        assert len(rows_of(app).rows) == 43
        await pilot.press("i")
        await shows(pilot, "All clips: 43")
        box.client.delete(f"/clips/{rows_of(app).clips[0].id}")
        await shows(pilot, "All clips: 42")


async def test_finding_while_typing(box: Box) -> None:
    async with running(box, LARGE) as (app, pilot):
        await opened(pilot)
        await pilot.press("i", "slash", *"sound-1")
        await comes(pilot, lambda text: "All clips: 10 " in text, "ten clips")
        await pilot.press("enter", "1")
        await until_sent(app, pilot)
        await pilot.press("slash", *" label:bell")
        await comes(pilot, lambda text: "All clips: 1 " in text, "the labelled one")
        await pilot.press("escape")
        await shows(pilot, "All clips: 45")
        await pilot.press("slash", *"since:yesterday")
        await shows(pilot, "is an age like")


async def test_a_stretch_is_cut_and_the_link_opens_the_clip(box: Box) -> None:
    async with running(box) as (app, pilot):
        await opened(pilot)
        sound = app.screen.query_one(ClipSound)
        for _ in range(200):
            if sound._shades:
                break
            await pilot.pause(0.05)
        assert sound._shades, "no picture came"
        await pilot.press(*["shift+right"] * 3, "left_square_bracket")
        await pilot.press(*["shift+right"] * 6, "right_square_bracket")
        assert sound.stretch is not None
        await pilot.press("x")
        await shows(pilot, "which label?")
        await pilot.press(*"door", "enter")
        for _ in range(200):
            if counts(box)["door"]:
                break
            await pilot.pause(0.05)
        assert box.client is not None
        [made] = box.client.get("/clips", label="door")["items"]
        assert made["source"] == "cut"
        assert made["duration_s"] == pytest.approx(sound.stretch[1] - sound.stretch[0], abs=0.01)
        await pilot.press("o")
        await shows(pilot, "ssh -L")
        # Whole on one line: over two a terminal neither opens nor copies it.
        link = await comes(pilot, lambda text: "/hear/" in text, "the link")
        [line] = [line for line in link.splitlines() if "/hear/" in line]
        found = re.search(r"http://127\.0\.0\.1:\d+/hear/\d+-\d+-[a-z2-7]{26}(?!\w)", line)
        assert found, line


async def test_a_daemon_that_dies_while_one_labels_loses_nothing(box: Box) -> None:
    async with running(box) as (app, pilot):
        await opened(pilot)
        await pilot.press("1", "1")
        await until_sent(app, pilot)
        box.kill()
        await pilot.press("2", "2", "3", "u")
        await shows(pilot, "Trying again")
        await pilot.press("2")
        assert len(app.outbox) >= 4
        box.start()
        await shows(pilot, "there again")
        await until_sent(app, pilot)
        assert counts(box) == {"bell": 2, "door": 3, "kettle": 0}
        await shows(pilot, "Inbox: 40")


async def test_the_place_stays_when_the_daemon_comes_back(box: Box) -> None:
    async with running(box) as (app, pilot):
        await opened(pilot)
        await shows(pilot, "Inbox: 45")
        await pilot.press(*["down"] * 10, "space", "space", *["down"] * 8)
        rows = rows_of(app)
        assert rows.clip is not None
        there, marked = rows.clip.id, set(rows.marked)
        assert len(marked) == 2
        box.kill()
        await shows(pilot, "Trying again")
        box.start()
        await shows(pilot, "there again")
        assert box.client is not None
        # Another client labels while the Train screen is shown here.
        await pilot.press("f4")
        await pilot.pause(0.3)
        box.client.post("/clips/label", {"clips": [rows.clips[0].id], "label": "bell"})
        await pilot.pause(0.5)
        await pilot.press("f3")
        await comes(pilot, lambda text: "Inbox: 44" in text, "one fewer")
        await comes(pilot, lambda text: len(rows.clips) == 44, "the list without it")
        assert rows.clip.id == there
        assert rows.marked == marked


async def test_labels_given_by_others_are_seen_and_taken_away_again(box: Box) -> None:
    async with running(box, LARGE) as (app, pilot):
        await opened(pilot)
        await shows(pilot, "Inbox: 45")
        rows = rows_of(app)
        assert box.client is not None
        own, other = rows.clips[0].id, rows.clips[5].id
        await pilot.press("1")
        await until_sent(app, pilot)
        box.client.post("/clips/label", {"clips": [other], "label": "door"})
        await comes(pilot, lambda text: other not in rows.clips, "the inbox without it")
        assert own not in rows.clips
        box.client.post("/clips/label", {"clips": [own, other], "label": None})
        await comes(pilot, lambda text: own in rows.clips and other in rows.clips, "both again")
        await pilot.press("i")
        await shows(pilot, "All clips: 45")
        box.client.post("/clips/label", {"clips": [other], "label": "kettle"})
        await comes(
            pilot, lambda text: "kettle" in text.split("1 bell")[0], "the label in its line"
        )


async def test_exactly_the_clips_that_another_screen_names(box: Box) -> None:
    async with running(box, LARGE) as (app, pilot):
        await opened(pilot)
        await pilot.press("f5")
        wanted = [7, 3, 40]
        app.open_clips({"clips": [*wanted, 9999]})
        await shows(pilot, "Chosen clips: 3")
        rows = rows_of(app)
        assert [clip.id for clip in rows.clips] == wanted
        await pilot.press("home", "2")
        await until_sent(app, pilot)
        # They stay, labelled or not: the person looks at these.
        assert [clip.label for clip in rows.clips] == ["door", None, None]
        await pilot.press("escape")
        await shows(pilot, "All clips: 45")


def test_the_list_finds_every_clip_while_they_come_and_go() -> None:
    def clip(identifier: int) -> Clip:
        return Clip(
            {
                "id": identifier,
                "label": None,
                "recorded_at": 0.0,
                "duration_s": 1.0,
                "microphone": None,
                "filename": None,
            }
        )

    random = Random(5)
    clips, plain, fresh = ClipList(), [], 0
    for _ in range(600):
        kind, number = random.randrange(3), random.choice((1, 1, 3, 250))
        if kind == 2 and plain:
            gone = set(random.sample(plain, min(number, len(plain))))
            places = [place for place, one in enumerate(plain) if one in gone]
            assert clips.remove(gone | {10**9}) == places
            plain = [one for one in plain if one not in gone]
        else:
            new = list(range(fresh, fresh + number))
            fresh += number
            place = random.randrange(len(plain) + 1) if kind else len(plain)
            plain[place:place] = new
            made = [clip(one) for one in new]
            clips.insert(place, made) if kind else clips.append(made)
        for one in random.sample(plain, min(5, len(plain))):
            assert clips.place(one) == plain.index(one)
    assert [one.id for one in clips] == plain
    assert clips.place(-1) is None


async def test_labels_are_renamed_merged_and_deleted(box: Box) -> None:
    async with running(box, LARGE) as (app, pilot):
        await opened(pilot)
        await pilot.press("1", "2", "3")
        await until_sent(app, pilot)
        await pilot.press("g")
        await shows(pilot, "Merge a label")
        await pilot.press(*"merge", "enter")
        await shows(pilot, "which?")
        await pilot.press(*"bell", "enter")
        await shows(pilot, "All clips of bell")
        await pilot.press(*"door", "enter")
        await shows(pilot, "cannot be undone")
        await pilot.press("y")
        for _ in range(200):
            if counts(box) == {"door": 2, "kettle": 1}:
                break
            await pilot.pause(0.05)
        assert counts(box) == {"door": 2, "kettle": 1}
        await shows(pilot, "2 door")  # the fingers know it by then


def test_what_is_typed_becomes_conditions() -> None:
    wanted = parse('pump label:"my kettle" mic:Yard since:2h unlabelled', {"yard": "usb-1"}, 10_000)
    assert wanted.params == {
        "text": "pump",
        "label": "my kettle",
        "microphone": "usb-1",
        "since": 10_000 - 7200,
        "unlabelled": True,
    }
    assert parse("label:", {}).params == {}
    assert parse("http://x", {}).params == {"text": "http://x"}
