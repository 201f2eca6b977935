"""Hours of the day as people write them: "22:00-06:00"."""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence

from appliance.errors import InvalidInput

_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


def spans(texts: Sequence[str], name: str) -> list[tuple[int, int]]:
    """Minutes of the day (first, end) of each span; end < first goes over midnight.

    Raises InvalidInput, which names the setting `name`.
    """
    found = []
    for text in texts:
        match = _SPAN.fullmatch(text.strip())
        first, end = (0, 0)
        if match:
            hours = [int(part) for part in match.groups()]
            first, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if first == end:
            raise InvalidInput(
                f"{name}: {text!r} is no span of hours",
                'write two different times, such as "22:00-06:00"',
            )
        found.append((first, end))
    return found


def within(when: datetime.datetime, hours: Sequence[tuple[int, int]]) -> bool:
    """Whether the time of day `when` lies in one of `hours`."""
    minute = when.hour * 60 + when.minute
    return any(
        first <= minute < end if first < end else minute >= first or minute < end
        for first, end in hours
    )
