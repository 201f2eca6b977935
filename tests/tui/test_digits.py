"""Which digit gives which label: the same ones tomorrow, whatever comes and goes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.box import Box
from tests.tui.conftest import happens, running, shows
from tui.digits import Digits
from tui.pages.label import LabelPage


def rows(*names: str) -> list[dict[str, Any]]:
    return [{"name": name} for name in names]


def test_digits_are_kept_and_follow_the_labels(tmp_path: Path) -> None:
    digits = Digits(tmp_path / "a" / "digits.json")
    digits.know(rows("a", "b", "c"))
    assert digits.labels == {"1": "a", "2": "b", "3": "c"}
    assert digits.choose("1", "c") == ""
    assert digits.labels == {"1": "c", "2": "b", "3": "a"}
    # A label that comes takes no digit from another, one that goes leaves its own free.
    digits.know(rows("a", "aa", "b", "c"))
    assert digits.labels == {"1": "c", "2": "b", "3": "a", "4": "aa"}
    digits.know(rows("a", "aa", "c"))
    assert digits.labels == {"1": "c", "3": "a", "4": "aa"}
    digits.know(rows("a", "aa", "c", "new"))
    assert digits.labels["2"] == "new"
    again = Digits(tmp_path / "a" / "digits.json")
    again.know(rows("a", "b", "c", "d"))
    assert again.labels["1"] == "c"
    assert sorted(again.labels.values()) == ["a", "b", "c", "d"]
    (tmp_path / "file").write_text("")
    unwritable = Digits(tmp_path / "file" / "digits.json")
    unwritable.know(rows("a"))
    assert "cannot be written" in unwritable.choose("5", "a")
    assert unwritable.labels == {"5": "a"}


def test_digits_that_nobody_chose_are_the_same_tomorrow(tmp_path: Path) -> None:
    file = tmp_path / "digits.json"
    today = Digits(file)
    today.know(rows("bell", "kettle"), "here")
    today.know(rows("aunt", "bell", "kettle"), "here")
    assert today.labels == {"1": "bell", "2": "kettle", "3": "aunt"}
    # By their order alone, aunt would be the first now.
    tomorrow = Digits(file)
    tomorrow.know(rows("aunt", "bell", "kettle"), "here")
    assert tomorrow.labels == today.labels
    # Another box has labels of its own, and disturbs nothing here.
    tomorrow.know(rows("kettle", "owl"), "there")
    assert tomorrow.labels == {"1": "kettle", "2": "owl"}
    tomorrow.know(rows("aunt", "bell", "kettle"), "here")
    assert tomorrow.labels == today.labels
    # One that went and comes again finds its digit, unless another one took it.
    tomorrow.know(rows("aunt", "kettle"), "here")
    Digits(file).know(rows("aunt", "kettle"), "here")
    tomorrow.know(rows("aunt", "bell", "kettle"), "here")
    assert tomorrow.labels == today.labels


def test_a_label_with_another_name_keeps_its_digit(tmp_path: Path) -> None:
    file = tmp_path / "digits.json"
    digits = Digits(file)
    digits.know(rows("a", "b", "c"), "here")
    digits.choose("3", "c")
    digits.renamed("a", "z")
    digits.renamed("c", "y")
    digits.know(rows("b", "n", "y", "z"), "here")
    wanted = {"1": "z", "2": "b", "3": "y", "4": "n"}
    assert digits.labels == wanted
    again = Digits(file)
    again.know(rows("b", "n", "y", "z"), "here")
    assert again.labels == wanted


def test_two_screens_at_once_share_what_is_chosen(tmp_path: Path) -> None:
    one, other = Digits(tmp_path / "d.json"), Digits(tmp_path / "d.json")
    one.know(rows("a", "b"), "here")
    other.know(rows("a", "b"), "here")
    one.choose("9", "a")
    other.know(rows("a", "b", "c"), "here")
    assert other.labels == {"9": "a", "2": "b", "1": "c"}
    one.know(rows("a", "b", "c"), "here")
    assert one.labels == other.labels


def test_a_file_of_an_earlier_release_or_of_nobody(tmp_path: Path) -> None:
    file = tmp_path / "digits.json"
    file.write_text(json.dumps({"7": "kettle"}))
    digits = Digits(file)
    digits.know(rows("bell", "kettle"), "here")
    assert digits.labels == {"7": "kettle", "1": "bell"}
    for content in ("[1]", "{", '{"chosen": 3, "filled": {"here": ["x"]}}', '{"chosen": {"x": 1}}'):
        file.write_text(content)
        digits = Digits(file)
        digits.know(rows("bell"), "here")
        assert digits.labels == {"1": "bell"}


@pytest.mark.anyio
async def test_the_screen_has_the_same_digits_tomorrow(empty_box: Box) -> None:
    client = empty_box.client
    assert client is not None
    for name in ("bell", "door"):
        client.post("/labels", {"name": name})
    async with running(empty_box) as (app, pilot):
        await shows(pilot, "connected")
        await pilot.press("f3")
        await shows(pilot, "1 bell  2 door")
        client.post("/labels", {"name": "aunt"})
        await shows(pilot, "1 bell  2 door  3 aunt")
        # Renamed while another screen is shown.
        await pilot.press("f4")
        await shows(pilot, "[Train]")
        client.patch("/labels/bell", {"name": "zebra"})
        page = next(one for one in app._pages() if isinstance(one, LabelPage))
        await happens(
            pilot, lambda: "zebra" in page.digits.labels.values(), "its new name is known"
        )
        await pilot.press("f3")
        await shows(pilot, "1 zebra  2 door  3 aunt")
    async with running(empty_box) as (_, pilot):
        await shows(pilot, "connected")
        await pilot.press("f3")
        await shows(pilot, "1 zebra  2 door  3 aunt")
