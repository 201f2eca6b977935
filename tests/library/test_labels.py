"""Labels: what they may be called, what is done to them, and that nothing is forgotten."""

from __future__ import annotations

import unicodedata

import pytest

from appliance.errors import Conflict, InvalidInput, NotFound
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.library.labels import LabelCount, Labels
from appliance.library.names import label_name
from appliance.store.database import Database
from tests.library.conftest import Add


@pytest.mark.parametrize(
    "name", ["dog", "Wasserhahn tropft", "ドア", "Sägewerk", "🐕", "x" * 64, "..."]
)
def test_names_that_people_use(name: str) -> None:
    assert label_name(f"  {name} ") == name


def test_what_looks_the_same_is_the_same() -> None:
    assert label_name(unicodedata.normalize("NFD", "Säge")) == label_name("Säge")


@pytest.mark.parametrize(
    "name",
    [
        *("", "  ", "a/b", ".", "..", "a\nb", "a\x00b", "a\x7fb", "x" * 65, "🐕" * 64),
        *("a\u202eb", "a\u2028b", "a\ud800b"),
    ],
)
def test_names_that_would_break_a_folder_or_a_screen(name: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        label_name(name)
    assert caught.value.advice


def test_label_relabel_unlabel_leave_their_history(
    clips: Clips, labels: Labels, add: Add, bus: EventBus
) -> None:
    first, second, third = add(), add("dog"), add("cat")
    assert clips.set_label([first.id, second.id, third.id, first.id], "dog", "ann") == 2
    assert clips.set_label([first.id], None, "bob") == 1
    assert clips.set_label([first.id], None, "bob") == 0

    assert [(c.author, c.before, c.after, c.why) for c in clips.history(first.id)] == [
        ("ann", None, "dog", "label"),
        ("bob", "dog", None, "label"),
    ]
    assert [c.after for c in clips.history(second.id)] == ["dog"]
    assert [(c.before, c.after) for c in clips.history(third.id)] == [(None, "cat"), ("cat", "dog")]
    assert labels.all() == [LabelCount("cat", 0, 0), LabelCount("dog", 2, 2)]
    assert bus.since(0)[-1].data == {
        "action": "labelled",
        "clips": [first.id],
        "count": 1,
        "label": None,
    }


def test_labelling_is_all_or_nothing(clips: Clips, add: Add) -> None:
    known, other = add("dog"), add("cat")
    with pytest.raises(NotFound, match="no clip 99"):
        clips.set_label([known.id, 99], "cat", "ann")
    assert clips.get(known.id).label == "dog"
    # A misspelt label must not become a class of its own without anybody noticing.
    with pytest.raises(NotFound, match="no label 'dgo'") as caught:
        clips.set_label([other.id], "dgo", "ann")
    assert "did you mean 'dog'" in caught.value.advice
    assert clips.set_label([other.id], "dgo", "ann", create=True) == 1


def test_many_clips_are_labelled_in_one_transaction(clips: Clips, db: Database, add: Add) -> None:
    template = add("dog")
    with db.write() as tx:
        row = dict(db.rows("SELECT * FROM clips")[0])
        for number in range(1200):
            row |= {"id": 100 + number, "sha256": f"{number:064x}", "pcm_sha256": f"{number:064x}"}
            tx.conn.execute(
                f"INSERT INTO clips ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})",
                list(row.values()),
            )
    ids = [template.id, *range(100, 1300)]
    assert clips.set_label(ids, "cat", "ann", create=True) == 1201
    assert len(db.rows("SELECT 1 FROM label_history WHERE after = 'cat'")) == 1201


def test_rename_reaches_every_clip(clips: Clips, labels: Labels, add: Add, bus: EventBus) -> None:
    dogs = [add("dog", session="a"), add("dog", session="b"), add("dog", session="b")]
    add("cat")
    assert labels.rename("dog", " hound ", "ann") == LabelCount("hound", 3, 2)
    assert [clips.get(dog.id).label for dog in dogs] == ["hound"] * 3
    assert clips.history(dogs[1].id)[-1].why == "rename"
    assert (clips.history(dogs[1].id)[-1].before, clips.history(dogs[1].id)[-1].after) == (
        "dog",
        "hound",
    )
    assert bus.since(0)[-1].topic == "label"
    assert bus.since(0)[-1].data == {"action": "renamed", "label": "dog", "new": "hound"}
    with pytest.raises(NotFound):
        labels.get("dog")
    with pytest.raises(Conflict, match="'cat' already") as caught:
        labels.rename("hound", "cat", "ann")
    assert "merge" in caught.value.advice
    assert labels.rename("hound", "hound", "ann").clips == 3
    assert len(clips.history(dogs[1].id)) == 2


def test_merge_joins_clips_and_sessions(clips: Clips, labels: Labels, add: Add) -> None:
    hounds = [add("hound", session="a"), add("hound", session="b")]
    add("dog", session="b")
    assert labels.merge("hound", "dog", "ann") == LabelCount("dog", 3, 2)
    assert [count.name for count in labels.all()] == ["dog"]
    assert [(c.before, c.after, c.why) for c in clips.history(hounds[0].id)][-1] == (
        "hound",
        "dog",
        "merge",
    )
    with pytest.raises(Conflict):
        labels.merge("dog", "dog", "ann")
    with pytest.raises(NotFound):
        labels.merge("dog", "cat", "ann")


def test_delete_keeps_the_clips(clips: Clips, labels: Labels, add: Add) -> None:
    dogs = [add("dog"), add("dog")]
    assert labels.delete("dog", "ann") == 2
    assert labels.all() == []
    assert [clips.get(dog.id).label for dog in dogs] == [None, None]
    last = clips.history(dogs[0].id)[-1]
    assert (last.author, last.before, last.after, last.why) == ("ann", "dog", None, "delete label")


def test_background_is_reserved(clips: Clips, labels: Labels, add: Add) -> None:
    add("background")
    hum = add("hum")
    for change in (
        lambda: labels.rename("background", "noise", "ann"),
        lambda: labels.merge("background", "hum", "ann"),
        lambda: labels.delete("background", "ann"),
    ):
        with pytest.raises(Conflict, match="reserved"):
            change()
    assert labels.merge("hum", "background", "ann").clips == 2
    assert clips.get(hum.id).label == "background"


def test_create(labels: Labels, bus: EventBus) -> None:
    assert labels.create("dog", "ann") == LabelCount("dog", 0, 0)
    assert bus.since(0)[-1].data == {"action": "created", "label": "dog"}
    with pytest.raises(Conflict):
        labels.create(" dog ", "ann")


def test_the_kept_counts_agree_with_the_rows(
    clips: Clips, labels: Labels, add: Add, db: Database
) -> None:
    """After a walk through everything that changes them."""
    made = [add(name, session=key) for name in ("a", "b", "c", None) for key in "xyxyz"]
    clips.set_label([clip.id for clip in made[3:8]], "c", "ann")
    labels.rename("b", "d", "ann")
    labels.merge("c", "d", "ann")
    clips.delete(made[0].id, "ann")
    clips.set_label([made[1].id, made[18].id], None, "ann")
    labels.create("empty", "ann")
    counted = db.rows(
        "SELECT l.name, count(c.id) AS clips, count(DISTINCT c.session_id) AS sessions"
        " FROM labels l LEFT JOIN clips c ON c.label_id = l.id GROUP BY l.id ORDER BY l.name"
    )
    assert labels.all() == [LabelCount(**row) for row in counted]
