"""Quiet hours act at their edges, and leave the pauses of others alone."""

from __future__ import annotations

import datetime

import pytest

from appliance.care.quiet_hours import QuietHours
from appliance.errors import InvalidInput
from appliance.hours import spans
from appliance.settings import PrivacySettings, Settings


class Pauses:
    def __init__(self) -> None:
        self.calls: list[tuple[str, str, str | None]] = []

    def pause(self, reason: str, for_s: float | None = None, author: str = "") -> None:
        self.calls.append(("pause", author, reason))

    def resume(self, author: str = "", reason: str | None = None) -> None:
        self.calls.append(("resume", author, reason))


def test_only_the_edges_act() -> None:
    pauses = Pauses()
    now = datetime.datetime(2026, 3, 1, 21, 59)
    quiet = QuietHours(pauses, ["22:00-06:00", "12:00-13:00"], lambda: now)
    for hour, minute in ((21, 59), (22, 0), (23, 0), (0, 0), (5, 59), (6, 0), (12, 30), (13, 0)):
        now = now.replace(hour=hour, minute=minute)
        quiet.look()
        quiet.look()
    said = [call[0] for call in pauses.calls]
    assert said == ["resume", "pause", "resume", "pause", "resume"]
    assert {call[1:] for call in pauses.calls} == {("quiet hours", "quiet hours")}


@pytest.mark.parametrize("text", ["22-6", "24:00-06:00", "06:00-06:00", "", "22:00-06:60"])
def test_hours_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="no span of hours"):
        spans([text], "privacy.quiet_hours")


def test_other_hours_count_at_once() -> None:
    pauses = Pauses()
    quiet = QuietHours(pauses, [], lambda: datetime.datetime(2026, 3, 1, 23, 0))
    quiet.look()
    for hours in (("22:00-06:00",), ("22:30-06:00",), ("01:00-06:00",)):
        quiet.use(Settings(privacy=PrivacySettings(hours)))
    assert [call[0] for call in pauses.calls] == ["resume", "pause", "resume"]
