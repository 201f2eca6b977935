"""What people type for a time."""

from __future__ import annotations

import time
from datetime import datetime

import click
import pytest

from appliance.cli.durations import PAST, parse_duration, parse_moment


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90.0),
        ("90s", 90.0),
        (" 5m ", 300.0),
        ("5 min", 300.0),
        ("1h30m", 5400.0),
        ("1h 30m", 5400.0),
        ("2.5", 2.5),
        (".5s", 0.5),
        ("250ms", 0.25),
        ("2D", 172800.0),
    ],
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "s", "5x", "-5", "1h30", "30 90", "five", "1e3", "٣s", "nan"])
def test_what_is_no_duration_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="write 90, 90s, 5m"):
        parse_duration(text)


def test_moments_are_local_times() -> None:
    noon = datetime(2025, 11, 23, 12, 0)
    now = noon.timestamp()
    assert parse_moment("2h", now) == now - 7200
    assert parse_moment("90", now) == now - 90
    assert parse_moment("10 minutes ago", now) == parse_moment("10m ago", now) == now - 600
    assert parse_moment("an hour ago", now) == now - 3600
    assert parse_moment("11:30", now) == datetime(2025, 11, 23, 11, 30).timestamp()
    assert parse_moment("yesterday", now) == datetime(2025, 11, 22).timestamp()
    assert parse_moment("2025-11-20", now) == datetime(2025, 11, 20).timestamp()
    assert parse_moment("2025-11-20 08:15", now) == datetime(2025, 11, 20, 8, 15).timestamp()
    assert parse_moment("1763900000", now) == 1763900000
    assert parse_moment("2025-11-20T08:15:00+00:00", now) == 1763626500


def test_a_time_that_has_been_or_the_number_of_a_minute() -> None:
    assert PAST.convert("312", None, None) == 312
    now = time.time()
    # Every time of day has been within the last 24 hours, today or yesterday.
    for hour in range(24):
        assert now - 86400 - 60 < PAST.convert(f"{hour}:30", None, None) <= now
    with pytest.raises(click.BadParameter, match="has not been yet"):
        PAST.convert("2999-01-01", None, None)
    with pytest.raises(click.BadParameter, match="is not a time"):
        PAST.convert("soon", None, None)


@pytest.mark.parametrize("text", ["25:00", "12:61", "2025-13-01", "soon", ""])
def test_what_is_no_moment_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(ValueError, match="is not a time"):
        parse_moment(text)
