"""What is reported of a long stream, by the product or by the naive rule, and how right that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scene import BACKGROUND, RATE, SNR_DB, Played

from appliance.audio.source import BLOCK_SECONDS, Chunk
from appliance.live.decision import Began, Decision, Ended, Rules
from appliance.live.ear import listening_hop
from appliance.live.windows import WindowStream
from appliance.models.engine import Engine

BATCH = 64


@dataclass(frozen=True)
class Alarm:
    """What was reported: `at_s` when it was decided, `from_s` and `to_s` what it was heard in."""

    label: str
    at_s: float
    from_s: float
    to_s: float


@dataclass(frozen=True)
class Figures:
    threshold: float
    recall: float
    false_alarms: int  # in known sounds and background
    false_alarms_an_hour: float
    in_unknown: int  # during a sound that was never taught
    in_unknown_an_hour: float
    unknown_reported: float  # share of the unknown sounds that were reported as a known one
    delay_median_s: float
    delay_p90_s: float
    recall_by_snr: dict[str, float]


@dataclass(frozen=True)
class Scores:
    """ends [n] in seconds of the stream, probabilities [n, classes]."""

    ends: NDArray[np.float64]
    probabilities: NDArray[np.float32]
    classes: tuple[str, ...]
    window_s: float
    hop_s: float


def chunks(stream: NDArray[np.float32]) -> list[Chunk]:
    """The stream as a microphone would give it."""
    size = round(BLOCK_SECONDS * RATE)
    return [
        Chunk("stream", 1, RATE, stream[at : at + size], at, round(at * 1e9 / RATE))
        for at in range(0, len(stream), size)
    ]


def listen(engine: Engine, stream: NDArray[np.float32]) -> Scores:
    """Every window's scores, cut as listening cuts them."""
    hop = listening_hop(engine)
    windows = WindowStream(engine.sample_rate, engine.window_samples, hop)
    ends, answers, waiting = [], [], []
    blocks = chunks(stream)
    for number, chunk in enumerate(blocks):
        waiting += windows.push([chunk])
        if len(waiting) >= BATCH or number == len(blocks) - 1:
            ends += [window.end_s for window in waiting]
            answers.append(engine.run(np.stack([window.samples for window in waiting])))
            waiting = []
    return Scores(
        np.array(ends),
        np.concatenate(answers),
        engine.classes,
        engine.window_samples / engine.sample_rate,
        hop / engine.sample_rate,
    )


def decide(scores: Scores, threshold: float, rules: Rules) -> list[Alarm]:
    """What the product reports."""
    decision = Decision(
        scores.classes,
        rules,
        lambda _label: threshold,
        window_s=scores.window_s,
        hop_s=scores.hop_s,
    )
    alarms: list[Alarm] = []
    open_at: dict[str, int] = {}
    verdicts = [
        verdict
        for end_s, row in zip(scores.ends, scores.probabilities, strict=True)
        for verdict in decision.push(float(end_s), row)
    ]
    for verdict in [*verdicts, *decision.finish()]:
        if isinstance(verdict, Began):
            heard_s = verdict.at_s - scores.window_s
            open_at[verdict.label] = len(alarms)
            alarms.append(Alarm(verdict.label, verdict.at_s, heard_s, verdict.at_s))
        elif isinstance(verdict, Ended):
            open_at.pop(verdict.label, None)
    return alarms


def naive(scores: Scores, threshold: float, *, merged: bool) -> list[Alarm]:
    """Each window whose top class is no background and scores more; or each run of such. Scores
    are those of the softmax: the naive rule knows nothing of familiarity."""
    sums = scores.probabilities.sum(axis=1, keepdims=True)
    scores = replace(scores, probabilities=scores.probabilities / np.maximum(sums, 1e-6))
    alarms: list[Alarm] = []
    newest: dict[str, float] = {}
    for end_s, row in zip(scores.ends, scores.probabilities, strict=True):
        label = scores.classes[int(row.argmax())]
        if label == BACKGROUND or row.max() <= threshold:
            continue
        at_s = float(end_s)
        if not merged or at_s - newest.get(label, -1e9) > 1.5 * scores.hop_s:
            alarms.append(Alarm(label, at_s, at_s - scores.window_s, at_s))
        newest[label] = at_s
    return alarms


def judge(
    alarms: Sequence[Alarm], played: Sequence[Played], threshold: float, hours: float
) -> Figures:
    """Right is an alarm that heard some of a sound of its label; every other one is false."""
    first: dict[int, float] = {}
    fooled: set[int] = set()
    wrong = in_unknown = 0
    starts = np.array([sound.start_s for sound in played])
    for alarm in alarms:
        near = range(
            max(0, int(np.searchsorted(starts, alarm.from_s)) - 3),
            int(np.searchsorted(starts, alarm.to_s)),
        )
        heard = [place for place in near if played[place].end_s > alarm.from_s]
        right = [place for place in heard if played[place].label == alarm.label]
        for place in right:
            first.setdefault(place, alarm.at_s - played[place].start_s)
        if not right:
            strange = {place for place in heard if not played[place].known}
            in_unknown += bool(strange)
            wrong += not strange
            fooled |= strange
    known = [place for place, sound in enumerate(played) if sound.known]
    unknown = len(played) - len(known)
    delays = list(first.values()) or [float("nan")]
    return Figures(
        threshold=round(threshold, 4),
        recall=len(first) / len(known),
        false_alarms=wrong,
        false_alarms_an_hour=wrong / hours,
        in_unknown=in_unknown,
        in_unknown_an_hour=in_unknown / hours,
        unknown_reported=len(fooled) / max(unknown, 1),
        delay_median_s=float(np.median(delays)),
        delay_p90_s=float(np.percentile(delays, 90)),
        recall_by_snr={
            f"{ratio:g} dB": float(
                np.mean([place in first for place in known if played[place].snr_db == ratio])
            )
            for ratio in SNR_DB
        },
    )
