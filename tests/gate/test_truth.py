"""What a person said, of events and of the stretches that were heard: both count the same."""

from __future__ import annotations

import pytest

from appliance.gate.false_alarms import FalseAlarms
from appliance.gate.report import _finds
from appliance.gate.truth import Said, Truth
from appliance.units import human_duration

STRETCHES = [
    {"microphone": "m", "at": 100.0, "until": 160.0},
    {"microphone": "m", "at": 160.0, "until": 220.0},
]


def said(at: float, until: float, label: str | None = "bell", microphone: str = "m") -> Said:
    return Said(microphone, at, until, label, None, "a person")


@pytest.mark.parametrize("sound", [said(98, 103), said(158, 162), said(219, 224), said(97, 99)])
def test_a_sound_that_confirms_an_event_is_one_of_the_confirmed_sounds(sound: Said) -> None:
    truth = Truth([sound])
    at = min(max(sound.at, 100.0), 219.0)
    event = {"microphone": "m", "label": "bell", "at": at, "until": at + 0.5}
    assert truth.judge(event)["state"] == "confirmed"
    (confirmed,) = truth.confirmed_in(STRETCHES)
    assert _finds([event], confirmed)


def test_a_sound_is_counted_once_and_only_where_it_was_heard() -> None:
    truth = Truth(
        [
            said(120, 121),
            said(118, 124),  # the clip of the same moment
            said(150, 151, "door"),
            said(130, 131, "background"),
            said(140, 141, None),
            said(300, 301),
            said(120, 121, microphone="other"),
        ]
    )
    found = [(one["label"], one["at"], one["until"]) for one in truth.confirmed_in(STRETCHES)]
    assert found == [("bell", 118, 124), ("door", 150, 151)]
    # Whatever the clip confirms is found, and not only near the detection.
    late = {"microphone": "m", "label": "bell", "at": 123.0, "until": 123.5}
    assert truth.judge(late)["state"] == "confirmed"
    assert _finds([late], truth.confirmed_in(STRETCHES)[0])


def test_a_length_is_said_in_one_way() -> None:
    assert human_duration(1754) in FalseAlarms(2, 14, 12, 0, 1754 / 3600).sentence()
