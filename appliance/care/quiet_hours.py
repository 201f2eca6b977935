"""Quiet hours: every microphone is closed between two times of the day, by the local wall clock.

Only the edges act: who resumes by hand within quiet hours listens until the next ones begin. At the
start the box is brought in line, since a power cut may have swallowed an edge.
"""

from __future__ import annotations

import datetime
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Protocol

from appliance.hours import spans, within
from appliance.periodic import Periodic
from appliance.settings import Settings

log = logging.getLogger(__name__)

REASON = "quiet hours"
LOOK_EVERY_S = 5.0
NAME = "privacy.quiet_hours"


class Pausing(Protocol):
    """What `recording.privacy.Privacy` offers."""

    def pause(self, reason: str, for_s: float | None = None, author: str = "") -> object: ...
    def resume(self, author: str = "", reason: str | None = None) -> object: ...


class QuietHours:
    def __init__(
        self,
        privacy: Pausing,
        texts: Sequence[str],
        now: Callable[[], datetime.datetime] = datetime.datetime.now,
    ) -> None:
        """Raises InvalidInput for hours that are none."""
        self._privacy = privacy
        self._hours = spans(texts, NAME)
        self._now = now
        self._quiet: bool | None = None
        self._looking = threading.Lock()
        self._periodic = Periodic("quiet hours", self.look, LOOK_EVERY_S, first_s=LOOK_EVERY_S)

    def use(self, settings: Settings) -> None:
        """Take up other hours while it runs, at once. Raises InvalidInput."""
        self._hours = spans(settings.privacy.quiet_hours, NAME)
        self.look()

    def start(self) -> None:
        """Look before a microphone opens."""
        self.look()
        self._periodic.start()

    def stop(self) -> None:
        self._periodic.stop()

    def look(self) -> None:
        """At an edge: pause, or listen again; other pauses go on."""
        with self._looking:
            quiet = within(self._now(), self._hours)
            if quiet == self._quiet:
                return
            if quiet:
                self._privacy.pause(REASON, author=REASON)
            else:
                self._privacy.resume(REASON, reason=REASON)
            self._quiet = quiet
