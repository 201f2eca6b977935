"""Trainings pause while the board is too hot, and say so in the job."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from appliance.errors import InvalidInput
from appliance.jobs.runner import Runner
from appliance.periodic import Periodic
from appliance.settings import BoardSettings
from firmware_hooks.sensors import Sensors
from firmware_hooks.thermal import HeatGuard, hottest

log = logging.getLogger(__name__)

EVERY_S = 5.0
JETSON_PAUSE_C = 90.0
COOLER_C = 10.0


@dataclass(frozen=True)
class Heat:
    """hot: a training pauses now, or would. pause_at, resume_at: in °C, None where heat is left
    to the computer."""

    hot: bool
    pause_at: float | None
    resume_at: float | None


class HeatWatch:
    """Looks every 5 s. On a Jetson from 90 °C, which is below where its own throttling begins;
    elsewhere only where the settings say so: a PC's processor runs hot by design."""

    def __init__(self, settings: BoardSettings, sensors: Sensors, runner: Runner) -> None:
        """Raises InvalidInput when a training would go on at a higher temperature than it pauses
        at."""
        self._sensors = sensors
        self._runner = runner
        self._periodic = Periodic("heat", self.look, EVERY_S)
        self.stop = self._periodic.stop
        pause_at = settings.heat_pause_c
        if pause_at == 0 and sensors.board().l4t is not None:
            pause_at = JETSON_PAUSE_C
        resume_at = settings.heat_resume_c or pause_at - COOLER_C
        self._guard: HeatGuard | None = None
        if pause_at:
            if resume_at >= pause_at:
                raise InvalidInput(
                    f"board.heat_resume_c is {resume_at:g}, which is not below"
                    f" board.heat_pause_c, {pause_at:g}",
                    "give a lower one, or leave it out",
                )
            self._guard = HeatGuard(pause_at, resume_at)

    def start(self) -> None:
        if self._guard is not None:
            self._periodic.start()

    def state(self) -> Heat:
        guard = self._guard
        if guard is None:
            return Heat(False, None, None)
        return Heat(guard.hot, guard.pause_at, guard.resume_at)

    def look(self) -> None:
        """Measure once, and pause or let go on."""
        guard = self._guard
        if guard is None:
            return
        zone = hottest(self._sensors.zones())
        was_hot = guard.hot
        hot = guard.push(None if zone is None else zone.celsius)
        shown = "" if zone is None else f"{zone.name} {zone.celsius:.0f} °C"
        if hot:
            # Each time: a training that has just begun shall pause too.
            self._runner.pause(f"too hot ({shown}); goes on at {guard.resume_at:.0f} °C")
        elif was_hot:
            self._runner.resume()
        if hot != was_hot:
            log.log(
                logging.WARNING if hot else logging.INFO,
                "the board is %s: %s",
                "too hot to train" if hot else "cool enough to train again",
                shown,
            )
