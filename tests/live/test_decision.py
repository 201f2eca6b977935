"""One event for each sound, and a reason for each that is refused."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest

from appliance.live.decision import Began, Decision, Ended, Rejected, Rules, Verdict

CLASSES = ("background", "dog", "rain")
WINDOW_S = 1.0
HOP_S = 0.25
# Two windows weigh as one, so that a few of them decide.
QUICK = Rules(smoothing_s=0.5)


def decide(
    scores: list[dict[str, float]], rules: Rules | None = None, threshold: float = 0.75
) -> list[Verdict]:
    """Push one window a hop; what is not given goes to the background."""
    decision = make(rules, threshold)
    verdicts = push(decision, scores)
    return verdicts + decision.finish()


def make(rules: Rules | None = None, threshold: float = 0.75) -> Decision:
    return Decision(
        CLASSES, rules or QUICK, lambda label: threshold, window_s=WINDOW_S, hop_s=HOP_S
    )


def push(decision: Decision, scores: list[dict[str, float]], start: int = 0) -> list[Verdict]:
    verdicts = []
    for index, given in enumerate(scores, start):
        full = {"background": 1.0 - sum(given.values()), **given}
        row = np.array([full.get(label, 0.0) for label in CLASSES], dtype=np.float32)
        verdicts += decision.push(WINDOW_S + index * HOP_S, row)
    return verdicts


def of(kind: type, verdicts: list[Verdict]) -> list[Verdict]:
    return [verdict for verdict in verdicts if isinstance(verdict, kind)]


QUIET: list[dict[str, float]] = [{}] * 12


def dog(score: float, windows: int) -> list[dict[str, float]]:
    return [{"dog": score}] * windows


def test_a_short_sound_seen_by_every_overlapping_window_is_one_event() -> None:
    verdicts = decide(QUIET + dog(0.97, 4) + QUIET)
    (began,) = of(Began, verdicts)
    (ended,) = of(Ended, verdicts)
    assert began.label == ended.label == "dog"
    assert began.score >= 0.75
    # It is in the windows that end from 4.0 s to 4.75 s, each 1 s long: so it lies near 3.75..4 s.
    assert began.rise_s == pytest.approx(4.0)
    assert ended.end_s == pytest.approx(4.0)
    assert began.score < ended.peak < 0.97


def test_a_long_sound_is_one_event_from_start_to_end() -> None:
    verdicts = decide(QUIET + dog(0.9, 40) + QUIET)
    (began,) = of(Began, verdicts)
    (ended,) = of(Ended, verdicts)
    assert began.rise_s == pytest.approx(4.0)
    assert ended.end_s == pytest.approx(4.0 + 39 * HOP_S - WINDOW_S + HOP_S)


def test_a_dip_is_held_and_stays_one_event() -> None:
    dipping = QUIET + dog(0.9, 5) + dog(0.1, 3) + dog(0.9, 5) + QUIET
    verdicts = decide(dipping, replace(QUICK, hold_s=1.5))
    assert len(of(Began, verdicts)) == 1
    assert len(of(Ended, verdicts)) == 1
    assert len(of(Began, decide(dipping, replace(QUICK, hold_s=0.25, cooldown_s=0.0)))) == 2


def test_a_score_between_release_and_threshold_keeps_an_event_but_starts_none() -> None:
    assert of(Began, decide(QUIET + dog(0.65, 20) + QUIET)) == []
    verdicts = decide(QUIET + dog(0.9, 6) + dog(0.65, 20) + dog(0.9, 4) + QUIET)
    assert len(of(Began, verdicts)) == 1


def test_two_sounds_apart_are_two_events() -> None:
    verdicts = decide(QUIET + dog(0.9, 4) + QUIET + dog(0.9, 4) + QUIET)
    assert [v.label for v in of(Began, verdicts)] == ["dog", "dog"]
    assert len(of(Ended, verdicts)) == 2
    verdicts = decide(QUIET + dog(0.9, 4) + [{"rain": 0.9}] * 4 + QUIET)
    assert [v.label for v in of(Began, verdicts)] == ["dog", "rain"]


def test_background_is_never_reported() -> None:
    assert decide(QUIET * 5) == []


def test_one_loud_window_alone_is_not_believed_and_says_so() -> None:
    verdicts = decide(QUIET + dog(0.95, 1) + QUIET)
    assert of(Began, verdicts) == []
    (rejected,) = of(Rejected, verdicts)
    assert rejected.label == "dog"
    assert rejected.reason == f"{rejected.score:.2f} under 0.75 (one window alone: 0.95)"
    assert rejected.score < 0.5


def test_what_stays_under_its_threshold_is_refused_once_with_the_figures() -> None:
    verdicts = decide(QUIET + dog(0.5, 2) + dog(0.71, 30) + dog(0.5, 2) + QUIET)
    (rejected,) = of(Rejected, verdicts)
    assert rejected.reason == f"{rejected.score:.2f} under 0.75"
    assert rejected.score == pytest.approx(0.71, abs=0.03)


def test_faint_scores_are_no_candidates() -> None:
    assert decide(QUIET + dog(0.3, 10) + QUIET) == []


def test_each_label_has_its_own_threshold() -> None:
    limits = {"dog": 0.9, "rain": 0.4}
    decision = Decision(CLASSES, QUICK, limits.__getitem__, window_s=WINDOW_S, hop_s=HOP_S)
    verdicts = push(decision, dog(0.85, 8) + QUIET + [{"rain": 0.7}] * 8)
    assert [v.label for v in of(Began, verdicts)] == ["rain"]
    limits["dog"] = 0.8
    verdicts = push(decision, QUIET + dog(0.85, 12), start=30)
    assert [v.label for v in of(Began, verdicts)] == ["dog"], "a new threshold works at once"


def test_a_louder_background_refuses_a_low_threshold() -> None:
    verdicts = decide(QUIET + dog(0.45, 20) + QUIET, threshold=0.25)
    assert of(Began, verdicts) == []
    (rejected,) = of(Rejected, verdicts)
    assert rejected.reason.startswith("background louder (0.")


def test_cooling_down_refuses_the_same_label_and_says_for_how_long() -> None:
    rules = replace(QUICK, cooldown_s=4.0)
    soon = QUIET + dog(0.9, 4) + [{}] * 8 + dog(0.95, 4) + [{}] * 20
    verdicts = decide(soon + dog(0.9, 4) + QUIET, rules)
    assert len(of(Began, verdicts)) == 2
    (rejected,) = of(Rejected, verdicts)
    assert rejected.reason.startswith("cooling down ")
    other = decide(QUIET + dog(0.9, 4) + [{}] * 4 + [{"rain": 0.9}] * 4 + QUIET, rules)
    assert [v.label for v in of(Began, other)] == ["dog", "rain"], "only the same label cools"


def test_a_minimum_duration_refuses_what_is_shorter() -> None:
    rules = replace(QUICK, minimum_s=1.5)
    verdicts = decide(QUIET + dog(0.9, 5) + QUIET, rules)
    assert of(Began, verdicts) == []
    (rejected,) = of(Rejected, verdicts)
    assert re.fullmatch(r"lasted 0\.\d s of 1\.5 s", rejected.reason)
    verdicts = decide(QUIET + dog(0.9, 12) + QUIET, rules)
    assert len(of(Began, verdicts)) == 1


def test_the_tail_of_an_event_is_not_a_refused_candidate() -> None:
    assert of(Rejected, decide(QUIET + dog(0.9, 4) + dog(0.42, 6) + QUIET)) == []


def test_a_short_sound_is_believed_however_long_scores_are_smoothed() -> None:
    """Even with 10 s of smoothing asked for, a sound in all windows that overlap it is heard."""
    verdicts = decide(QUIET + dog(0.98, 4) + QUIET, Rules(smoothing_s=10.0), threshold=0.6)
    assert len(of(Began, verdicts)) == 1


def test_a_sure_sound_is_reported_before_a_doubtful_one() -> None:
    (sure,) = of(Began, decide(QUIET + dog(0.99, 20) + QUIET, Rules()))
    (doubtful,) = of(Began, decide(QUIET + dog(0.85, 20) + QUIET, Rules()))
    assert sure.at_s < doubtful.at_s


def test_a_window_that_is_no_number_ends_nothing() -> None:
    decision = make()
    verdicts = push(decision, QUIET + dog(0.95, 6))
    verdicts += decision.push(WINDOW_S + 18 * HOP_S, np.full(3, np.nan, dtype=np.float32))
    verdicts += push(decision, dog(0.95, 6) + QUIET, start=19)
    assert len(of(Began, verdicts)) == 1
    assert len(of(Ended, verdicts)) == 1


def test_a_gap_starts_the_mean_again_but_not_the_sound() -> None:
    decision = make()
    verdicts = push(decision, QUIET + dog(0.9, 6))
    decision.gap()
    verdicts += push(decision, dog(0.9, 6) + QUIET, start=24)
    assert len(of(Began, verdicts)) == 1
    assert len(of(Ended, verdicts)) == 1
    decision = make()
    verdicts = push(decision, QUIET + dog(0.9, 1))
    decision.gap()
    verdicts += push(decision, QUIET, start=40)
    assert of(Began, verdicts) == []


def test_stopping_ends_what_sounds() -> None:
    decision = make()
    push(decision, QUIET + dog(0.9, 6))
    assert decision.active == ["dog"]
    (ended,) = decision.finish()
    assert isinstance(ended, Ended)
    assert decision.active == []
    assert decision.finish() == []


def test_a_sound_that_lasts_over_a_hot_swap_stays_one_event() -> None:
    decision = make()
    verdicts = push(decision, QUIET + dog(0.9, 6))
    classes = ("background", "cat", "dog")
    after = Decision(classes, Rules(), lambda _: 0.75, window_s=2.0, hop_s=0.5)
    verdicts += after.take_over(decision)
    assert after.active == ["dog"]
    for index in range(20):
        row = [0.05, 0.0, 0.95] if index < 5 else [0.95, 0.05, 0.0]
        verdicts += after.push(5.5 + 0.5 * index, np.array(row, dtype=np.float32))
    assert len(of(Began, verdicts)) == 1
    assert len(of(Ended, verdicts)) == 1


def test_a_label_that_a_hot_swap_does_away_with_ends() -> None:
    decision = make()
    push(decision, QUIET + dog(0.9, 6))
    after = Decision(("background", "cat"), Rules(), lambda _: 0.75, window_s=2.0, hop_s=0.5)
    (ended,) = after.take_over(decision)
    assert isinstance(ended, Ended)
    assert ended.label == "dog"
    assert after.active == []
