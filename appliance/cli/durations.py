"""Durations and moments as people type them."""

from __future__ import annotations

import math
import re
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    SecondsType = click.ParamType[float]
else:  # generic only in newer releases of click
    SecondsType = click.ParamType

_UNITS = {
    "": 1.0,
    "ms": 0.001,
    "s": 1.0,
    "sec": 1.0,
    "m": 60.0,
    "min": 60.0,
    "h": 3600.0,
    "d": 86400.0,
}
_PART = re.compile(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|sec|s|min|m|h|d|)\s*", re.ASCII)
# "10 minutes ago" as people say it; `parse_duration` reads the short forms.
_SAID = re.compile(r"(?:(\d+(?:\.\d+)?)|an?)\s*(second|minute|hour|day)s?(?:\s+ago)?", re.ASCII)
# A bare number from here on is an epoch time, not "seconds ago" (that would be 30 years).
_EPOCH_FROM = 1e9


def parse_duration(text: str) -> float:
    """`90`, `90s`, `5m`, `1h30m`, `2.5` as seconds. Raises ValueError."""
    rest, total, parts = text.strip().lower(), 0.0, 0
    while rest:
        match = _PART.match(rest)
        if match is None or (match[2] == "" and (parts or match.end() != len(rest))):
            raise ValueError(f"{text!r} is not a duration; write 90, 90s, 5m or 1h30m")
        total += float(match[1]) * _UNITS[match[2]]
        parts += 1
        rest = rest[match.end() :]
    if parts == 0 or not math.isfinite(total):
        raise ValueError(f"{text!r} is not a duration; write 90, 90s, 5m or 1h30m")
    return total


def parse_moment(text: str, now: float | None = None) -> float:
    """An epoch time from `2025-11-23`, `2025-11-23 14:05`, `14:05` (today), `yesterday`, `2h` or
    `2 hours ago`, or an epoch time itself. Dates are local. Raises ValueError."""
    word = text.strip().lower()
    present = datetime.fromtimestamp(time.time() if now is None else now)
    midnight = present.replace(hour=0, minute=0, second=0, microsecond=0)
    if word in ("now", "today", "yesterday"):
        moments = {"now": present, "today": midnight, "yesterday": midnight - timedelta(days=1)}
        return moments[word].timestamp()
    if match := re.fullmatch(r"(\d{1,2}):(\d\d)(?::(\d\d))?", word, re.ASCII):
        hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
        if hour < 24 and minute < 60 and second < 60:
            return midnight.replace(hour=hour, minute=minute, second=second).timestamp()
    if match := _SAID.fullmatch(word):
        return present.timestamp() - float(match[1] or 1) * _UNITS[match[2][0]]
    try:
        seconds = parse_duration(word.removesuffix("ago"))
    except ValueError:
        pass
    else:
        return seconds if seconds >= _EPOCH_FROM else present.timestamp() - seconds
    try:
        return datetime.fromisoformat(text.strip()).timestamp()
    except (ValueError, OverflowError):
        raise ValueError(
            f"{text!r} is not a time; write 2025-11-23, '2025-11-23 14:05', 14:05, yesterday, 2h"
            " or '10 minutes ago'"
        ) from None


class Duration(SecondsType):
    """Seconds, or with a unit; more than 0 unless `zero`."""

    name = "seconds"

    def __init__(self, *, zero: bool = False) -> None:
        self.zero = zero

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        try:
            seconds = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if seconds <= 0 and not (self.zero and seconds == 0):
            self.fail("it must be more than 0 seconds", param, ctx)
        return seconds


class Moment(SecondsType):
    """A time as `parse_moment` reads it."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        if isinstance(value, (int, float)):
            return float(value)
        try:
            return parse_moment(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Past(SecondsType):
    """A minute's number (as a whole number, `int`), or a time that has been: `14:05` is
    yesterday's before 14:05. A time comes as `float`."""

    name = "minute or time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> int | float:
        if isinstance(value, (int, float)):
            return value
        if re.fullmatch(r"\d{1,9}", value, re.ASCII):
            return int(value)
        now = time.time()
        moment = MOMENT.convert(value, param, ctx)
        if moment > now and re.match(r"\d{1,2}:", value.strip()):
            moment -= 86400.0
        if moment > now:
            self.fail(f"{value!r} has not been yet", param, ctx)
        return moment


DURATION = Duration()
DURATION_OR_ZERO = Duration(zero=True)
MOMENT = Moment()
PAST = Past()
