"""How right the decision is, on the scores that a really trained network gave to an hour of sound.

`recorded_stream.npz`: ESC-10's fold 3 mixed over background at 25 to 5 dB, heard by a network that
was taught the other folds (`scripts/record_scores.py`). The long form is
`benchmarks/false_alarms.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.live.decision import BACKGROUND, Began, Decision
from appliance.live.listener import rules_of
from appliance.settings import ListenSettings

RECORDED = Path(__file__).parent / "recorded_stream.npz"
Alarms = list[tuple[str, float]]  # label, end of the window that decided


@dataclass(frozen=True)
class Judged:
    """recall: share of the known sounds that were found. wrong: false alarms in known sounds and
    background."""

    recall: float
    wrong: int
    delay_s: float


@dataclass(frozen=True)
class Stream:
    ends: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    window_s: float
    hop_s: float
    labels: NDArray[np.str_]
    known: NDArray[np.bool_]
    spans: NDArray[np.float64]

    def judge(self, alarms: Alarms) -> Judged:
        """An alarm may have heard all of its window."""
        found: dict[int, float] = {}
        wrong = 0
        for label, at_s in alarms:
            heard = (self.spans[:, 0] < at_s) & (self.spans[:, 1] > at_s - self.window_s)
            right = np.flatnonzero(heard & (self.labels == label)).tolist()
            for place in right:
                found.setdefault(place, at_s - float(self.spans[place, 0]))
            wrong += not right and not (heard & ~self.known).any()
        delay_s = float(np.median(list(found.values())))
        return Judged(len(found) / int(self.known.sum()), wrong, delay_s)


@pytest.fixture(scope="module")
def stream() -> Stream:
    with np.load(RECORDED) as kept:
        return Stream(
            kept["ends"],
            kept["probabilities"].astype(np.float32),
            tuple(kept["classes"].tolist()),
            float(kept["window_s"]),
            float(kept["hop_s"]),
            kept["labels"],
            kept["known"],
            kept["spans"],
        )


def decided(stream: Stream, listen: ListenSettings) -> Alarms:
    decision = Decision(
        stream.classes,
        rules_of(listen),
        lambda _: listen.threshold,
        window_s=stream.window_s,
        hop_s=stream.hop_s,
    )
    return [
        (verdict.label, verdict.at_s)
        for end_s, row in zip(stream.ends.tolist(), stream.probabilities, strict=True)
        for verdict in decision.push(end_s, row)
        if isinstance(verdict, Began)
    ]


def each_window_over(stream: Stream, threshold: float) -> Alarms:
    """The naive rule, on the softmax."""
    shares = stream.probabilities / stream.probabilities.sum(axis=1, keepdims=True)
    return [
        (stream.classes[row.argmax()], end_s)
        for end_s, row in zip(stream.ends.tolist(), shares, strict=True)
        if stream.classes[row.argmax()] != BACKGROUND and row.max() > threshold
    ]


def test_few_false_alarms_and_many_sounds_found(stream: Stream) -> None:
    ours = stream.judge(decided(stream, ListenSettings()))
    assert ours.recall >= 0.9
    naive = [stream.judge(each_window_over(stream, at)) for at in np.linspace(0.5, 0.995, 100)]
    fewest = min(one.wrong for one in naive if one.recall >= ours.recall)
    assert 10 * ours.wrong <= fewest, f"{ours}; the naive rule {fewest}"


def test_one_sound_is_one_event(stream: Stream) -> None:
    assert len(decided(stream, ListenSettings())) < len(stream.labels)


def test_less_smoothing_is_quicker_and_more_often_wrong(stream: Stream) -> None:
    slow, quick = (
        stream.judge(decided(stream, ListenSettings(smoothing_s=time_s))) for time_s in (3.0, 0.8)
    )
    assert quick.delay_s < slow.delay_s - 0.5
    assert quick.wrong > slow.wrong
