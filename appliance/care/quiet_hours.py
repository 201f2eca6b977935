"""Quiet hours: every microphone is closed between two times of the day, by the local wall clock.

Only the edges act: who resumes by hand within quiet hours listens until the next ones begin. At the
start the box is brought in line, since a power cut may have swallowed an edge.
"""

from __future__ import annotations

import datetime
import logging
import re
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from appliance.errors import InvalidInput

log = logging.getLogger(__name__)

REASON = "quiet hours"
LOOK_EVERY_S = 5.0
_SPAN = re.compile(r"([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-3]):([0-5]\d)")


class Pausing(Protocol):
    """What `recording.privacy.Privacy` offers."""

    def pause(self, reason: str, for_s: float | None = None, author: str = "") -> object: ...
    def resume(self, author: str = "", reason: str | None = None) -> object: ...


def spans(texts: Sequence[str]) -> list[tuple[int, int]]:
    """Minutes of the day (first, end) of each "22:00-06:00"; end <= first goes over midnight.

    Raises InvalidInput."""
    found = []
    for text in texts:
        match = _SPAN.fullmatch(text.strip())
        first, end = (0, 0)
        if match:
            hours = [int(part) for part in match.groups()]
            first, end = hours[0] * 60 + hours[1], hours[2] * 60 + hours[3]
        if first == end:
            raise InvalidInput(
                f"privacy.quiet_hours: {text!r} is no span of hours",
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


class QuietHours:
    def __init__(
        self,
        privacy: Pausing,
        texts: Sequence[str],
        now: Callable[[], datetime.datetime] = datetime.datetime.now,
    ) -> None:
        """Raises InvalidInput for hours that are none."""
        self._privacy = privacy
        self._hours = spans(texts)
        self._now = now
        self._quiet: bool | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look before a microphone opens."""
        self.look()
        if self._hours:
            self._thread = threading.Thread(target=self._run, name="quiet hours", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> None:
        """At an edge: pause, or listen again; other pauses go on."""
        quiet = within(self._now(), self._hours)
        if quiet == self._quiet:
            return
        if quiet:
            self._privacy.pause(REASON, author=REASON)
        else:
            self._privacy.resume(REASON, reason=REASON)
        self._quiet = quiet

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            self.look()
