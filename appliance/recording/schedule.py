"""Daily recordings, for boxes left in the field: never twice a day, even when the clock jumps.

A time that was missed (the box was off, the microphone gone) is caught up within an hour, and not
after it. Wall time decides when, because a person says "at half past six"; the time since boot
sees to it that a clock that is set forwards and back does not run a schedule again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from appliance import clock
from appliance.errors import EarmarkError, Unavailable
from appliance.events import EventBus
from appliance.library.schedules import Schedule, ScheduleRecords
from appliance.periodic import Periodic
from appliance.recording.recorder import Recorder

log = logging.getLogger(__name__)

TICK_S = 5.0
CATCH_UP = timedelta(hours=1)
# Daily means 23 hours apart at least, where the clocks change; less than this was a jump.
SHORTEST_DAY_S = 20 * 3600.0


def due_on(schedule: Schedule, now: datetime) -> str | None:
    """The date (YYYY-MM-DD) of the run that is due at local time `now`, None when none is."""
    hour, minute = map(int, schedule.at.split(":"))
    latest = now.replace(hour=hour, minute=minute, second=0, microsecond=0)
    if latest > now:
        latest -= timedelta(days=1)
    if not schedule.enabled or now - latest >= CATCH_UP:
        return None
    # One that was made at ten for half past nine begins tomorrow.
    if latest < datetime.fromtimestamp(schedule.created_at) <= now:
        return None
    day = latest.date().isoformat()
    return None if day == schedule.last_run_on else day


class Schedules:
    """Thread-safe."""

    def __init__(
        self,
        records: ScheduleRecords,
        recorder: Recorder,
        bus: EventBus,
        *,
        now: Callable[[], datetime] = datetime.now,
        uptime: Callable[[], float] = clock.seconds,
    ) -> None:
        """now: local time; uptime: seconds since boot."""
        self._records = records
        self._recorder = recorder
        self._bus = bus
        self._now = now
        self._uptime = uptime
        self._ran: dict[int, float] = {}  # when, in seconds since boot
        self._refused: dict[int, str] = {}  # the date that was complained about
        self._periodic = Periodic("schedules", self._turn, TICK_S)
        self.start = self._periodic.start

    def stop(self) -> None:
        """Begin no more; recordings that run are the recorder's."""
        self._periodic.stop()

    def all(self) -> list[Schedule]:
        """By time of day."""
        return self._records.all()

    def add(self, microphone: str, at: str, seconds: float, label: str | None = None) -> Schedule:
        """Each day at `at` (HH:MM, local time). Raises NotFound, InvalidInput."""
        return self._records.add(microphone, at, seconds, label)

    def enable(self, identifier: int, enabled: bool) -> Schedule:
        return self._records.enable(identifier, enabled)

    def remove(self, identifier: int) -> None:
        """Raises NotFound."""
        self._records.remove(identifier)

    def _turn(self) -> None:
        try:
            self.run_due()
        except EarmarkError:
            log.exception("the schedules could not be looked at")

    def run_due(self) -> list[int]:
        """Begin what is due now; returns the ids of the schedules that began."""
        began = []
        for schedule in self._records.all():
            day = due_on(schedule, self._now())
            last = self._ran.get(schedule.id)
            if day is None or (last is not None and self._uptime() - last < SHORTEST_DAY_S):
                continue
            if self._begin(schedule, day):
                began.append(schedule.id)
        return began

    def _begin(self, schedule: Schedule, day: str) -> bool:
        try:
            self._recorder.begin(
                [schedule.microphone],
                schedule.seconds,
                schedule.label,
                author="schedule",
                source="schedule",
            )
        except Unavailable as error:
            self._complain(schedule, day, f"{error}; tried again within the hour")
            return False
        except EarmarkError as error:
            self._complain(schedule, day, str(error))
            return False
        self._ran[schedule.id] = self._uptime()
        # Not before: a box that died in between had nothing recorded yet, and catches up.
        self._records.mark_run(schedule.id, day)
        log.info("the schedule of %s began", schedule.at)
        return True

    def _complain(self, schedule: Schedule, day: str, why: str) -> None:
        if self._refused.get(schedule.id) == day:
            return
        self._refused[schedule.id] = day
        log.warning("the schedule of %s could not record: %s", schedule.at, why)
        self._bus.publish("recording", {"what": "refused", "schedule": schedule.id, "detail": why})
