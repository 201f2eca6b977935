"""The demo's judge is fair: what is right, what is told twice, what was not there."""

from __future__ import annotations

from appliance.demo.judge import AGAIN, FALSE, RIGHT, WRONG, Heard, Judge
from appliance.demo.scene import Event

EVENTS = (
    Event("doorbell", 4.0, 6.0),
    Event("dog bark", 9.0, 10.0),
    Event("doorbell", 13.0, 15.0),
    Event("smoke alarm", 18.0, 20.5),
)


def heard(label: str, onset_s: float, told_s: float) -> Heard:
    return Heard(label, onset_s, told_s, 0.9)


def test_a_sound_is_found_once_with_its_delay() -> None:
    judge = Judge(EVENTS)
    first = judge.judge(heard("doorbell", 4.1, 5.2))
    assert (first.verdict, first.event) == (RIGHT, EVENTS[0])
    assert first.delay_s is not None
    assert round(first.delay_s, 6) == 1.2
    assert judge.judge(heard("doorbell", 5.5, 6.4)).verdict == AGAIN
    assert judge.alarms == []
    assert judge.missed == list(EVENTS[1:])


def test_equal_sounds_are_kept_apart_by_time() -> None:
    judge = Judge(EVENTS)
    assert judge.judge(heard("doorbell", 13.0, 14.0)).event == EVENTS[2]
    assert judge.missed == [EVENTS[0], EVENTS[1], EVENTS[3]]


def test_another_label_is_wrong_and_nothing_there_is_a_false_alarm() -> None:
    judge = Judge(EVENTS)
    assert judge.judge(heard("doorbell", 9.1, 10.0)).verdict == WRONG
    assert judge.judge(heard("smoke alarm", 1.0, 2.5)).verdict == FALSE
    assert judge.judge(heard("dog bark", 12.0, 12.4)).verdict == FALSE
    assert len(judge.alarms) == 3
    assert not judge.found


def test_what_is_told_before_a_sound_begins_is_not_about_it() -> None:
    judge = Judge(EVENTS)
    assert judge.judge(heard("dog bark", 8.5, 8.9)).verdict == FALSE
    # Begun much earlier, told while the dog barks: it was about something else.
    assert judge.judge(heard("dog bark", 7.8, 9.2)).verdict == FALSE


def test_four_in_five_must_be_found_and_few_alarms_are_forgiven() -> None:
    events = tuple(Event("doorbell", 10.0 * n, 10.0 * n + 2) for n in range(10))
    judge = Judge(events)
    for number in range(7):
        judge.judge(heard("doorbell", 10.0 * number, 10.0 * number + 1))
    assert not judge.passed
    judge.judge(heard("doorbell", 70.0, 71.0))
    assert judge.passed
    for number in range(2):
        judge.judge(heard("dog bark", 10.0 * number + 5, 10.0 * number + 6))
    assert judge.passed
    judge.judge(heard("dog bark", 25.0, 26.0))
    assert not judge.passed


def test_silence_is_no_success() -> None:
    assert not Judge(EVENTS).passed
