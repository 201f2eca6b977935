"""The inbox: always the clips without a label, judged by the live version, in teaching order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import NotFound
from appliance.inbox.order import teaching_ranks
from appliance.inbox.scorer import Scorer
from appliance.inbox.table import Inbox, InboxClip, Judged
from appliance.library.microphones import MicrophoneRecord, MicrophoneRecords
from appliance.paths import DataFolder
from appliance.settings import Settings
from tests.live.conftest import Box, until
from tests.live.tones import HIGH_HZ, LOW_HZ, scene

RATE = 16_000


class InboxBox(Box):
    """A box with a scorer that rests as little as it may."""

    def __init__(self, folder: DataFolder) -> None:
        super().__init__(folder)
        self.inbox = Inbox(self.db)
        self.scorer = Scorer(self.inbox, self.clips, self.deployments, Settings(), self.bus)
        self.scorer.start()
        self.session = self.clips.session_for("test", "import")

    def close(self) -> None:
        self.scorer.stop()
        super().close()

    def add(self, samples: np.ndarray, label: str | None = None) -> int:
        return self.clips.add_samples(
            samples.astype(np.float32),
            RATE,
            source="import",
            session=self.session,
            label=label,
            microphone="yard",
        ).id

    def settled(self, version: str) -> list[InboxClip]:
        """The inbox, once that version has judged everything and put it in order."""

        def done() -> list[InboxClip]:
            items = self.inbox.page().items
            ready = items and all(
                item.judged_by == version and (item.rank > 0 or item.flagged) for item in items
            )
            return items if ready else []

        return until(done, "the inbox to be judged")


@pytest.fixture
def box(folder: DataFolder) -> Iterator[InboxBox]:
    made = InboxBox(folder)
    yield made
    made.close()


def tones(*hz: float, seed: int = 0, level: float = 1.0) -> np.ndarray:
    """A second of tones, all as loud."""
    mixed = sum((scene(1.0, [(0.0, 1.0, one)]) for one in hz), np.zeros(RATE))
    return level * mixed + 1e-4 * np.random.default_rng(seed).standard_normal(RATE)


def test_what_the_version_is_unsure_of_comes_first_and_twins_do_not_crowd_the_head(
    box: InboxBox,
) -> None:
    box.deploy({"low": LOW_HZ, "high": HIGH_HZ})
    sure = [box.add(tones(LOW_HZ, seed=1)), box.add(tones(HIGH_HZ, seed=2))]
    twins = [box.add(tones(LOW_HZ, HIGH_HZ, seed=seed)) for seed in range(3, 8)]
    items = box.settled("V001")
    assert [item.id for item in items][:1] <= twins
    said = {item.id: item for item in items}
    assert said[sure[0]].suggested_label == "low"
    assert said[sure[1]].suggested_label == "high"
    assert (said[sure[0]].suggested_score or 0) > 0.9
    assert said[sure[0]].reason.startswith("rather sure: low")
    assert items[0].reason.startswith("unsure: ")
    # One of the five that sound the same stands for the others.
    assert sum(item.id in twins for item in items[:3]) == 1
    assert {item.id for item in items[:3]} >= set(sure)


def test_a_clip_is_in_the_inbox_exactly_as_long_as_it_has_no_label(box: InboxBox) -> None:
    box.deploy({"low": LOW_HZ})
    one, two = box.add(tones(LOW_HZ)), box.add(tones(HIGH_HZ))
    box.add(tones(LOW_HZ, seed=9), label="low")
    assert {item.id for item in box.settled("V001")} == {one, two}
    box.clips.set_label([one], "low", "anna", create=True)
    assert [item.id for item in box.inbox.page().items] == [two]
    box.clips.set_label([one], None, "anna")
    assert {item.id for item in box.settled("V001")} == {one, two}
    box.clips.delete(two, "anna")
    assert [item.id for item in box.inbox.page().items] == [one]


def test_another_version_judges_again_and_filters_and_pages_agree(box: InboxBox) -> None:
    box.deploy({"low": LOW_HZ})
    ids = {box.add(tones(LOW_HZ if n % 2 else HIGH_HZ, seed=n)) for n in range(7)}
    before = {item.id: item.suggested_label for item in box.settled("V001")}
    assert set(before.values()) == {"low", "background"}
    box.deploy({"low": LOW_HZ, "high": HIGH_HZ})
    items = box.settled("V002")
    assert {item.suggested_label for item in items} == {"low", "high"}
    assert box.inbox.summary("V002").judged == len(ids)

    pages, cursor = list[int](), None
    while True:
        page = box.inbox.page(limit=2, cursor=cursor)
        pages += [item.id for item in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert pages == [item.id for item in items]
    low = box.inbox.page(label="low").items
    assert {item.id for item in low} == {i.id for i in items if i.suggested_label == "low"}
    MicrophoneRecords(box.db).put(MicrophoneRecord("usb-1", "barn", "usb-1"))
    assert box.inbox.page(microphone="barn").items == []
    with pytest.raises(NotFound, match="no microphone 'bran'"):
        box.inbox.page(microphone="bran")


def test_a_refuted_detection_is_the_first_to_be_labelled(box: InboxBox, tmp_path: Path) -> None:
    import soundfile

    box.deploy({"low": LOW_HZ})
    box.add(tones(LOW_HZ, HIGH_HZ))
    soundfile.write(tmp_path / "scene.wav", scene(6, [(2.0, 0.5, LOW_HZ)]), RATE)
    box.replay(tmp_path / "scene.wav")
    box.played()
    [detection] = box.heard()
    box.detections.review(detection.id, "refuted", author="anna")
    first = box.inbox.page().items[0]
    assert first.id == detection.clip
    assert first.flagged
    assert first.reason == "reported as low, which was refuted"
    assert box.settled("V001")[0].id == detection.clip, "judging leaves it where it is"
    assert box.inbox.page().items[0].suggested_label == "low"


def test_pages_walk_an_index_however_many_clips_wait(box: InboxBox) -> None:
    for name, where in (
        ("inbox_by_rank", "TRUE"),
        ("inbox_by_label", "suggested_label = 'low'"),
        ("inbox_by_microphone", "microphone = 'yard'"),
    ):
        steps = box.db.rows(
            f"EXPLAIN QUERY PLAN SELECT clip_id, reason FROM inbox WHERE {where}"
            " AND (rank, clip_id) < (0.5, 7) ORDER BY rank DESC, clip_id DESC LIMIT 101"
        )
        plan = " ".join(step["detail"] for step in steps)
        assert name in plan, plan
        assert "TEMP B-TREE" not in plan, plan


def test_an_answer_for_a_clip_that_got_its_label_meanwhile_changes_nothing(box: InboxBox) -> None:
    clip = box.add(tones(LOW_HZ), label="low")
    box.inbox.judge("V001", [Judged(clip, "low", 0.9, 0.1, b"", "rather sure")])
    box.inbox.flag(clip, "look at me")
    assert box.inbox.page().items == []


def test_ranks_weigh_uncertainty_against_likeness() -> None:
    rng = np.random.default_rng(0)
    crowd = np.array([5.0, 0.0]) + 0.01 * rng.standard_normal((40, 2))
    far = np.array([[-5.0, 0.0], [0.0, 6.0]])
    unsure = np.array([0.9] * 40 + [0.5, 0.4])
    ranks = teaching_ranks(unsure, np.concatenate([crowd, far]), head=3)
    assert list(np.argsort(-ranks)[1:3]) == [40, 41]
    assert np.argsort(-ranks)[0] < 40
    assert ranks[3:40].max() < 0.5
    assert len(teaching_ranks(np.zeros(0), np.zeros((0, 2)), head=3)) == 0
