"""Detections are kept, found again, and reviewed; a review labels the clip."""

from __future__ import annotations

import numpy as np
import pytest

from appliance import clock
from appliance.errors import InvalidInput, NotFound
from appliance.events import Event, EventBus
from appliance.library.clips import Clips
from appliance.library.labels import Labels, all_labels
from appliance.live.detection import NewDetection
from appliance.live.detections import Detections
from appliance.paths import DataFolder
from appliance.store.database import Database


@pytest.fixture
def clips(db: Database, folder: DataFolder, bus: EventBus) -> Clips:
    return Clips(db, folder, bus)


@pytest.fixture
def detections(db: Database, clips: Clips, bus: EventBus) -> Detections:
    with db.write() as tx:
        tx.conn.execute(
            "INSERT INTO versions (name, created_at, source, classes, stopped, seconds,"
            " onnx_sha256, card) VALUES ('V001', 0, 'trained', '[]', 'converged', 1, '', '{}')"
        )
        tx.conn.execute(
            "INSERT INTO deployments (version, precision, engine, state, certificate, author,"
            " created_at) VALUES ('V001', 'fp32', 'test', 'live', '{}', '', 0)"
        )
    for label in ("dog", "door"):
        Labels(db, bus).create(label, "ann")
    return Detections(db, clips, bus)


def hear(detections: Detections, label: str = "dog", microphone: str = "m1") -> int:
    now = clock.monotonic_ns()
    new = NewDetection(microphone, label, 0.8, "V001", 1, now - 900_000_000, now - 40_000_000)
    return detections.add(new).id


def clip(clips: Clips, number: int) -> int:
    samples = np.random.default_rng(number).standard_normal(800).astype(np.float32) * 0.1
    session = clips.session_for("detections", "detection")
    return clips.add_samples(samples, 8000, source="detection", session=session).id


def test_a_detection_is_told_with_its_delays_and_kept(
    detections: Detections, bus: EventBus
) -> None:
    told: list[Event] = []
    bus.subscribe(told.append)
    now = clock.monotonic_ns()
    added = detections.add(
        NewDetection("m1", "dog", 0.8, "V001", 1, now - 900_000_000, now - 40_000_000)
    )
    assert added.delay_ms >= 40
    assert added.onset_delay_ms == pytest.approx(added.delay_ms + 860, abs=0.1)
    assert added.monotonic_ns == now - 900_000_000
    assert (added.ended_at, added.peak, added.clip, added.review) == (None, 0.8, None, None)
    assert told[-1].data["what"] == "new"
    assert told[-1].data["detection"]["delay_ms"] == added.delay_ms
    ended = detections.end(added, now + 1_000_000_000, 0.93)
    assert ended.ended_at == pytest.approx(added.started_at + 1.9, abs=0.05)
    assert (ended.peak, ended.delay_ms) == (0.93, added.delay_ms)
    assert detections.get(added.id) == ended
    assert told[-1].data["what"] == "ended"


def test_pages_and_filters(detections: Detections) -> None:
    ids = [hear(detections, "dog" if i % 3 else "cat", f"m{i % 2}") for i in range(10)]
    first = detections.page(limit=4)
    assert [d.id for d in first.items] == ids[:5:-1]
    second = detections.page(limit=4, cursor=first.next_cursor)
    third = detections.page(limit=4, cursor=second.next_cursor)
    assert [d.id for d in [*first.items, *second.items, *third.items]] == ids[::-1]
    assert third.next_cursor is None
    assert {d.label for d in detections.page(label="cat").items} == {"cat"}
    assert len(detections.page(microphone="m1").items) == 5
    started = detections.get(ids[5]).started_at
    assert [d.id for d in detections.page(since=started).items] == ids[:4:-1]
    assert [d.id for d in detections.page(until=started).items] == ids[4::-1]
    detections.review(ids[3], "confirmed")
    detections.review(ids[4], "refuted")
    assert [d.id for d in detections.page(review="confirmed").items] == [ids[3]]
    assert [d.id for d in detections.page(review="refuted").items] == [ids[4]]
    assert len(detections.page(review="none").items) == 8
    assert detections.count() == 10


def test_confirming_labels_the_clip(detections: Detections, clips: Clips, bus: EventBus) -> None:
    identifier = hear(detections)
    stored = clip(clips, 1)
    detections.attach(identifier, stored)
    told: list[Event] = []
    bus.subscribe(told.append)
    reviewed = detections.review(identifier, "confirmed", author="ann")
    assert (reviewed.review, reviewed.review_label) == ("confirmed", "dog")
    assert reviewed.reviewed_by == "ann"
    assert reviewed.reviewed_at is not None
    assert clips.get(stored).label == "dog"
    assert clips.history(stored)[-1].author == "ann"
    assert told[-1].topic == "detection"
    assert told[-1].data["what"] == "reviewed"


def test_refuting_gives_what_it_really_was_or_nothing(detections: Detections, clips: Clips) -> None:
    first, second = hear(detections), hear(detections)
    stored = [clip(clips, 2), clip(clips, 3)]
    detections.attach(first, stored[0])
    detections.attach(second, stored[1])
    assert detections.review(first, "refuted", "door").review_label == "door"
    assert clips.get(stored[0]).label == "door"
    assert detections.review(second, "refuted").review_label is None
    assert clips.get(stored[1]).label is None


def test_a_label_that_nobody_made_is_refused_unless_it_shall_be_made(
    detections: Detections, clips: Clips, db: Database
) -> None:
    first, second = hear(detections), hear(detections)
    before = detections.get(first)
    with pytest.raises(NotFound, match="no label 'doro'") as caught:
        detections.review(first, "refuted", "doro")
    assert "did you mean 'door'?" in caught.value.advice
    with pytest.raises(NotFound, match="no label 'doro'"):
        detections.review_many([first, second], "refuted", "doro", "ann")
    assert detections.get(first) == before
    assert [one.name for one in all_labels(db)] == ["dog", "door"]
    made = detections.review_many([first, second], "refuted", "fox", "ann", create=True)
    assert [one.review_label for one in made] == ["fox", "fox"]
    # There at once, though its first clip comes later.
    assert [one.name for one in all_labels(db)] == ["dog", "door", "fox"]
    detections.attach(first, stored := clip(clips, 9))
    assert clips.get(stored).label == "fox"


def test_a_review_can_be_changed_and_taken_back(detections: Detections, clips: Clips) -> None:
    identifier = hear(detections)
    stored = clip(clips, 4)
    detections.attach(identifier, stored)
    detections.review(identifier, "confirmed")
    detections.review(identifier, "refuted", "door")
    assert clips.get(stored).label == "door"
    back = detections.review(identifier, None)
    assert (back.review, back.review_label, back.reviewed_at) == (None, None, None)
    assert clips.get(stored).label is None
    detections.review(identifier, "confirmed")
    clips.set_label([stored], "fox", "ann", create=True)
    detections.review(identifier, None)
    assert clips.get(stored).label == "fox", "a person's own label stays"


def test_a_review_that_comes_before_the_clip_labels_it_later(
    detections: Detections, clips: Clips
) -> None:
    identifier = hear(detections)
    detections.review(identifier, "refuted", "door", "ann")
    stored = clip(clips, 5)
    assert detections.attach(identifier, stored).clip == stored
    assert clips.get(stored).label == "door"


def test_a_detection_outlives_its_clip(detections: Detections, clips: Clips) -> None:
    identifier = hear(detections)
    stored = clip(clips, 6)
    detections.attach(identifier, stored)
    clips.delete(stored, "ann")
    assert detections.get(identifier).clip is None
    assert detections.review(identifier, "confirmed").review == "confirmed"


def test_what_means_nothing_is_refused_and_changes_nothing(
    detections: Detections, clips: Clips
) -> None:
    identifier = hear(detections)
    before = detections.get(identifier)
    for review, label in (
        ("perhaps", None),
        ("confirmed", "cat"),
        ("refuted", "dog"),
        (None, "cat"),
        ("refuted", "a/b"),
    ):
        with pytest.raises(InvalidInput):
            detections.review(identifier, review, label)
    assert detections.get(identifier) == before
    with pytest.raises(NotFound, match="no detection 99"):
        detections.review(99, "confirmed")
    with pytest.raises(InvalidInput, match="no cursor"):
        detections.page(cursor="x")
    with pytest.raises(InvalidInput, match="a page of 0"):
        detections.page(limit=0)
    with pytest.raises(InvalidInput, match="is no review"):
        detections.page(review="maybe")


def test_many_are_judged_at_once_and_taken_back_to_the_label_before(
    detections: Detections, clips: Clips
) -> None:
    right, wrong = hear(detections, "dog"), hear(detections, "cat")
    for number, identifier in enumerate((right, wrong)):
        detections.attach(identifier, clip(clips, number))
    own = detections.get(wrong).clip or 0
    clips.set_label([own], "wind", "ben", create=True)

    reviewed = detections.review_many([right, wrong], "refuted", "dog", "anna")
    assert [one.review for one in reviewed] == ["confirmed", "refuted"]
    assert clips.get(own).label == "dog"
    detections.review(wrong, "refuted", "door", "anna")
    assert clips.get(own).label == "door"
    detections.review_many([right, wrong], None, None, "anna")
    assert clips.get(own).label == "wind", "as it was before anybody judged"
    assert clips.get(detections.get(right).clip or 0).label is None

    with pytest.raises(NotFound):
        detections.review_many([right, 999], "confirmed", None, "anna")
    assert detections.get(right).review is None, "all or none"


def test_a_detection_without_a_clip_gets_one_from_the_history(
    detections: Detections, clips: Clips, db: Database
) -> None:
    fresh, old = hear(detections), hear(detections)
    with db.write() as tx:
        tx.conn.execute("UPDATE detections SET started_at = started_at - 600 WHERE id = ?", (old,))
    kept = clip(clips, 5)
    detections.find_sound = lambda found: kept
    assert detections.review(fresh, "confirmed").clip is None, "its own is still to come"
    assert detections.review(old, "confirmed").clip == kept
    assert clips.get(kept).label == "dog"
