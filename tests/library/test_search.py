"""Every filter finds what it should, page by page, while the library changes."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from appliance.clock import Stamp
from appliance.errors import InvalidInput, NotFound
from appliance.library import search
from appliance.library.clip import Clip
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.library.filters import ClipFilter, plan
from appliance.library.labels import Labels
from appliance.library.microphones import MicrophoneRecord, MicrophoneRecords
from appliance.store.database import Database
from tests.library.conftest import Add

SINCE, UNTIL = 1_000_020.0, 1_000_060.0


@pytest.fixture
def many(add: Add, datasets: Datasets, db: Database) -> list[Clip]:
    """80 clips of mixed kinds; the first 50 are in dataset version `first`. One microphone has
    not heard anything."""
    MicrophoneRecords(db).put(MicrophoneRecord("usb-9", "silent", "usb-9"))
    chance = random.Random(1)
    made = []
    for number in range(80):
        if number == 50:
            datasets.publish("first", "test")
        made.append(
            add(
                chance.choice(["dog", "cat", "cat", None]),
                session=f"s{chance.randrange(6)}",
                microphone=chance.choice(["usb-1", "usb-2", None]),
                source=chance.choice(["import", "recording", "trigger"]),
                filename=chance.choice(["50%_a.wav", "50xxa.wav", None]),
                # The clock jumped: the order of time is not the order of ids.
                stamp=Stamp("boot", number, 1_000_000.0 + chance.randrange(80), True),
            )
        )
    return made


def matches(clip: Clip, wanted: ClipFilter) -> bool:
    text = f"{clip.filename or ''}\n{clip.session_key}".lower()
    return all(
        (
            wanted.label is None or clip.label == wanted.label,
            not wanted.unlabelled or clip.label is None,
            wanted.microphone is None or clip.microphone == wanted.microphone,
            wanted.session is None or wanted.session in (clip.session, clip.session_key),
            wanted.source is None or clip.source == wanted.source,
            wanted.since is None or clip.recorded_at >= wanted.since,
            wanted.until is None or clip.recorded_at < wanted.until,
            wanted.dataset_version is None or (clip.id <= 50 and clip.label is not None),
            wanted.text is None or wanted.text.lower() in text,
        )
    )


def pages(clips: Clips, wanted: ClipFilter, limit: int) -> Iterator[list[Clip]]:
    cursor = None
    while True:
        page = clips.page(wanted, cursor, limit)
        assert len(page.items) <= limit
        yield page.items
        cursor = page.next_cursor
        if cursor is None:
            return


def every(clips: Clips, wanted: ClipFilter, limit: int = 17) -> list[Clip]:
    return [clip for page in pages(clips, wanted, limit) for clip in page]


def all_filters() -> list[dict[str, Any]]:
    """Each filter alone, and 150 combinations."""
    values: dict[str, list[Any]] = {
        "label": ["dog", "cat"],
        "unlabelled": [True],
        "microphone": ["usb-1", "usb-9"],
        "session": [1, "s3"],
        "source": ["import", "schedule"],
        "since": [SINCE],
        "until": [UNTIL],
        "dataset_version": ["first"],
        "text": ["50%_", "S2", "XXA", "wav\ns", "none"],
    }
    chance = random.Random(2)
    chosen: list[dict[str, Any]] = [{}]
    chosen += [{name: value} for name, some in values.items() for value in some]
    for _ in range(150):
        names = chance.sample(sorted(values), chance.randrange(2, 5))
        if {"label", "unlabelled"} <= set(names):
            names.remove("unlabelled")
        chosen.append({name: chance.choice(values[name]) for name in names})
    return chosen


def test_every_filter_finds_exactly_what_fits(
    clips: Clips, many: list[Clip], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert all(clips.get(clip.id) == clip for clip in many)
    # The walk is also cut short, as it is in a large library.
    for walked in (search.MOST_WALKED, 10):
        monkeypatch.setattr(search, "MOST_WALKED", walked)
        for given in all_filters():
            wanted = ClipFilter.of(given)
            expected = [clip for clip in reversed(many) if matches(clip, wanted)]
            if ("since" in given or "until" in given) and "session" not in given:
                expected.sort(key=lambda clip: (clip.recorded_at, clip.id), reverse=True)
            assert every(clips, wanted) == expected, given
            assert clips.ids(wanted) == [clip.id for clip in expected], given


def test_a_full_page_does_not_promise_another(clips: Clips, many: list[Clip]) -> None:
    for limit in (1, 16, 20, 40, 79):
        assert len(list(pages(clips, ClipFilter(), limit))) == -(-80 // limit)
    assert clips.page(ClipFilter(), None, 80).next_cursor is None
    assert clips.page(ClipFilter(), None, 79).next_cursor is not None


@pytest.mark.parametrize("given", [{}, {"since": 1.0}, {"source": "import", "text": "5"}])
def test_a_cursor_stays_right_while_clips_come_and_go(
    clips: Clips, many: list[Clip], add: Add, given: dict[str, Any]
) -> None:
    wanted = ClipFilter.of(given)
    chance = random.Random(3)
    expected = [clip.id for clip in every(clips, wanted)]
    loose = [clip.id for clip in many if clip.label is None]  # in no dataset version
    seen: list[int] = []
    for page in pages(clips, wanted, 4):
        seen += [clip.id for clip in page]
        add(source="import", session="s2", filename="55.wav", stamp=Stamp("boot", 0, 2e6, True))
        gone = loose.pop(chance.randrange(len(loose)))
        clips.delete(gone, "test")
        if gone in expected and gone not in seen:
            expected.remove(gone)
    assert seen == expected
    assert len(seen) > 10


def test_the_database_walks_an_index_for_each_filter(db: Database, many: list[Clip]) -> None:
    """A plan that sorts, or that scans the table for one label, would grow with the library."""
    for given in all_filters():
        way = plan(db, ClipFilter.of(given))
        order = ", ".join(f"{column} DESC" for column in way.key)
        told = db.rows(
            f"EXPLAIN QUERY PLAN SELECT c.id, {way.rest or 'TRUE'} FROM {way.source}"
            f" WHERE {way.where} ORDER BY {order} LIMIT 9",
            (*way.rest_values, *way.where_values),
        )
        details = [row["detail"] for row in told]
        assert not [text for text in details if "TEMP B-TREE" in text], (given, details)
        if any(name not in ("text", "source") for name in given):
            assert not [text for text in details if text.startswith("SCAN c")], (given, details)


REFUSED: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"lable": "dog"}, InvalidInput, "no filter 'lable'"),
    ({"label": "dgo"}, NotFound, "no label 'dgo'"),
    ({"label": "dog", "unlabelled": True}, InvalidInput, "label or none"),
    ({"source": "rumour"}, InvalidInput, "no source"),
    ({"session": "nowhere"}, NotFound, "no session"),
    ({"session": 99}, NotFound, "no session"),
    ({"dataset_version": "second"}, NotFound, "no dataset version"),
    ({"microphone": "kitchn"}, NotFound, "no microphone 'kitchn'"),
    ({"since": 2.0, "until": 1.0}, InvalidInput, "after"),
]


def test_what_makes_no_sense_is_refused(clips: Clips, labels: Labels) -> None:
    labels.create("dog", "test")
    for given, error, text in REFUSED:
        with pytest.raises(error, match=text):
            clips.page(ClipFilter.of(given))
    for limit in (0, -1, 1001):
        with pytest.raises(InvalidInput):
            clips.page(ClipFilter(), None, limit)


def test_a_removed_microphone_keeps_its_clips_and_its_name(
    clips: Clips, add: Add, db: Database
) -> None:
    records = MicrophoneRecords(db)
    records.put(MicrophoneRecord("usb-1", "kitchen", "usb-1"))
    heard = add("dog", microphone="usb-1")
    records.remove("kitchen")
    assert [(gone.id, gone.name) for gone in records.former()] == [("usb-1", "kitchen")]
    for key in ("usb-1", "kitchen"):
        assert clips.page(ClipFilter(microphone=key)).items == [heard]
    with pytest.raises(NotFound, match="kitchn") as refused:
        clips.page(ClipFilter(microphone="kitchn"))
    assert refused.value.advice.startswith("did you mean 'kitchen'?")
    # Another one of that name goes first; plugged in again, it has gone no more.
    records.put(MicrophoneRecord("usb-2", "kitchen", "usb-2"))
    assert clips.page(ClipFilter(microphone="kitchen")).items == []
    records.put(MicrophoneRecord("usb-1", "hall", "usb-1"))
    assert records.former() == []


def test_a_foreign_cursor_is_refused(clips: Clips) -> None:
    foreign = ["", "x", "1_2_3", "nan_1", "9" * 30, "1; DROP", "inf_1"]
    for cursor in [*foreign, "1.5_2"]:
        with pytest.raises(InvalidInput, match="cursor"):
            clips.page(ClipFilter(), cursor)
    for cursor in [*foreign, "5"]:
        with pytest.raises(InvalidInput, match="cursor"):
            clips.page(ClipFilter(since=1.0), cursor)


def test_clips_are_found_in_the_order_asked(clips: Clips, many: list[Clip]) -> None:
    assert clips.get_many([7, 99, 3, 7]) == [many[6], many[2], many[6]]
