"""No figure flatters: sessions stay on one side, and every class is on both."""

from __future__ import annotations

import csv
import itertools
import random
import re
from collections import defaultdict
from pathlib import Path

import pytest

from appliance.errors import InvalidInput
from appliance.library.plan import CROSS_VALIDATION, HOLDOUT
from appliance.library.split import (
    ENTANGLED,
    ONE_RECORDING,
    Split,
    SplitItem,
    choose_protocol,
    make_split,
)


def by_class(items: list[SplitItem]) -> dict[str, list[SplitItem]]:
    classes = defaultdict(list)
    for item in items:
        classes[item.label].append(item)
    return dict(classes)


def check(items: list[SplitItem], split: Split) -> None:
    """What must hold for every split of whatever set."""
    classes = by_class(items)
    assert split.fold.keys() == {item.clip for item in items}
    assert set(split.fold.values()) == set(range(split.folds))
    assert split.protocol == choose_protocol(len(members) for members in classes.values())
    assert split.folds == 2 or split.protocol == CROSS_VALIDATION
    for label, members in classes.items():
        sessions = {item.session for item in members}
        # Both sides: under cross-validation too, or one fold's network would not know the class.
        if len(members) > 1:
            assert len({split.fold[item.clip] for item in members}) > 1, label
        if len(sessions) == 1:
            assert split.optimistic[label] == ONE_RECORDING
        elif label in split.optimistic:
            assert split.optimistic[label] == ENTANGLED
    side = defaultdict(set)
    for item in items:
        if item.label not in split.optimistic:
            side[item.session].add(split.fold[item.clip])
    assert all(len(folds) == 1 for folds in side.values()), "a session stands on both sides"


def random_set(chance: random.Random, *, mixed: bool) -> list[SplitItem]:
    """Clips of 2 to 8 classes in sessions of all sizes; mixed: a session may hold any class."""
    labels = [f"class{n}" for n in range(chance.randrange(2, 9))]
    sessions = range(1, chance.randrange(2, 60))
    size = chance.choice([12, 60, 150, 400, 1500])
    popularity = [chance.random() ** 3 + 0.01 for _ in labels]
    items = []
    for clip in range(size):
        session = chance.choice(sessions)
        label = chance.choices(labels, popularity)[0] if mixed else labels[session % len(labels)]
        items.append(SplitItem(clip, label, session))
    return items


@pytest.mark.parametrize("seed", range(150))
def test_sessions_of_one_class_each(seed: int) -> None:
    """Each recording holds one sound: then a clean split always exists, and is found."""
    items = random_set(random.Random(seed), mixed=False)
    split = make_split(items)
    check(items, split)
    assert ENTANGLED not in split.optimistic.values()


@pytest.mark.parametrize("seed", range(150))
def test_sessions_of_many_classes(seed: int) -> None:
    items = random_set(random.Random(1000 + seed), mixed=True)
    split = make_split(items)
    check(items, split)
    assert ENTANGLED not in split.optimistic.values()


def holdout_exists(items: list[SplitItem]) -> bool:
    """By trying every way to share out the sessions."""
    held = [
        sessions
        for members in by_class(items).values()
        if len(sessions := {item.session for item in members}) > 1
    ]
    every = sorted({item.session for item in items})
    for sides in itertools.product((0, 1), repeat=len(every)):
        side = dict(zip(every, sides, strict=True))
        if all(len({side[session] for session in sessions}) == 2 for sessions in held):
            return True
    return False


def test_a_clean_split_is_found_whenever_there_is_one() -> None:
    """Few sessions that share their classes in every odd way, judged by brute force."""
    chance = random.Random(0)
    possible = 0
    for _ in range(80):
        sessions = range(chance.randrange(3, 8))
        items: list[SplitItem] = []
        for label in "abcdefgh"[: chance.randrange(3, 9)]:
            own = chance.sample(sessions, chance.choice([1, 2, 2, 3]))
            items += [SplitItem(len(items) + n, label, own[n % len(own)]) for n in range(200)]
        split = make_split(items)
        check(items, split)
        assert split.protocol == HOLDOUT
        exists = holdout_exists(items)
        assert (ENTANGLED not in split.optimistic.values()) == exists
        possible += exists
    assert 20 < possible < 75, "both cases must have been met"


def test_three_sessions_that_three_classes_share_in_pairs_cannot_be_parted() -> None:
    pairs = {"a": (1, 2), "b": (2, 3), "c": (1, 3)}
    items = [
        SplitItem(1000 * number + clip, label, pair[clip % 2])
        for number, (label, pair) in enumerate(pairs.items())
        for clip in range(400)
    ]
    split = make_split(items)
    check(items, split)
    assert list(split.optimistic.values()) == [ENTANGLED]


def test_shares_are_even_where_sessions_allow_it() -> None:
    """1,000 sessions of up to 20 clips, four classes, one of them rare."""
    chance = random.Random(5)
    items: list[SplitItem] = []
    for session in range(1000):
        label = chance.choices("abcd", [10, 10, 10, 1])[0]
        for _ in range(chance.randrange(1, 20)):
            items.append(SplitItem(len(items), label, session))
    split = make_split(items)
    for label, members in by_class(items).items():
        share = sum(split.fold[item.clip] for item in members) / len(members)
        assert share == pytest.approx(0.2, abs=0.01), label


def test_a_small_set_is_cross_validated_in_even_folds() -> None:
    items = [SplitItem(n, "ab"[n % 2], n) for n in range(50)]
    split = make_split(items)
    check(items, split)
    assert (split.protocol, split.folds) == (CROSS_VALIDATION, 5)
    for members in by_class(items).values():
        counts = [sum(split.fold[item.clip] == fold for item in members) for fold in range(5)]
        assert counts == [5] * 5


def test_the_smallest_set_that_may_train() -> None:
    items = [SplitItem(n, "ab"[n % 2], n) for n in range(10)]
    assert make_split(items).folds == 5
    pairs = [SplitItem(n, "ab"[n % 2], n % 4) for n in range(10)]
    split = make_split(pairs)
    check(pairs, split)
    assert split.folds == 4


def test_one_session_is_split_in_stretches() -> None:
    """Neighbours in time are the most alike, so they stay together as far as can be."""
    items = [SplitItem(n, "hum", 1) for n in range(300)]
    items += [SplitItem(300 + n, "dog", 2 + n) for n in range(300)]
    split = make_split(items)
    check(items, split)
    hum = [split.fold[n] for n in range(300)]
    assert hum == sorted(hum)
    assert sum(hum) == 60
    assert split.optimistic == {"hum": ONE_RECORDING}


def test_the_same_set_gives_the_same_split_in_any_order() -> None:
    items = random_set(random.Random(9), mixed=True)
    shuffled = random.Random(1).sample(items, len(items))
    assert make_split(items) == make_split(shuffled)
    assert make_split(items, seed=1).fold != make_split(items, seed=2).fold


def test_a_rare_class_asks_for_cross_validation() -> None:
    """A fifth of eight clips says nothing (the imbalanced corpus of 382, 27, 24, 16 and 8)."""
    assert choose_protocol([382, 27, 24, 16, 8]) == CROSS_VALIDATION
    assert choose_protocol([400, 400, 400]) == HOLDOUT
    assert choose_protocol([50, 50]) == CROSS_VALIDATION
    assert choose_protocol([50_000, 8]) == HOLDOUT
    chance = random.Random(3)
    items: list[SplitItem] = []
    for label, count in zip("abcde", (382, 27, 24, 16, 8), strict=True):
        items += [SplitItem(len(items), label, chance.randrange(100)) for _ in range(count)]
    items = [SplitItem(n, item.label, item.session) for n, item in enumerate(items)]
    split = make_split(items)
    check(items, split)
    rare = [split.fold[item.clip] for item in items if item.label == "e"]
    assert max(rare.count(fold) for fold in set(rare)) <= 3


@pytest.mark.parametrize("items", [[], [SplitItem(1, "a", 1)]])
def test_nothing_can_be_split(items: list[SplitItem]) -> None:
    with pytest.raises(InvalidInput):
        make_split(items)


def test_esc10_by_its_source_recordings(test_data: Path) -> None:
    """Clips of one source recording share the number after the fold in their name."""
    numbers: dict[str, int] = {}
    items: list[SplitItem] = []
    for file in sorted((test_data / "esc10").glob("*/*.ogg")):
        found = re.match(r"^\d-(\d+)", file.name)
        assert found
        session = numbers.setdefault(found[1], len(numbers))
        items.append(SplitItem(len(items), file.parent.name, session))
    assert len(items) == 400
    split = make_split(items)
    check(items, split)
    assert split.protocol == HOLDOUT
    assert split.optimistic == {}
    for label, members in by_class(items).items():
        tested = sum(split.fold[item.clip] for item in members)
        assert 5 <= tested <= 12, label


def test_fsdd_by_speaker(test_data: Path) -> None:
    """Six sessions that each hold all ten classes: one speaker is the test."""
    with (test_data / "fsdd" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    speakers = sorted({row["speaker"] for row in rows})
    items = [
        SplitItem(n, row["label"], speakers.index(row["speaker"])) for n, row in enumerate(rows)
    ]
    split = make_split(items)
    check(items, split)
    tested = {item.session for item in items if split.fold[item.clip] == 1}
    assert len(tested) == 1
    small = random.Random(1).sample(items, 150)
    check(small, make_split(small))
    assert make_split(small).folds == 5
