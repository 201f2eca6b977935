"""The box's health: every check, by a daemon that runs, or on a data folder without one."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from appliance import clock
from appliance.care.check import Check, Report, report
from appliance.care.checks import (
    backup,
    database,
    detection,
    disk,
    gpu,
    microphones,
    notices,
    queue,
    speech,
    temperature,
    tensorrt,
    torch_cuda,
)
from appliance.care.checks import clock as clock_check
from appliance.care.checks import settings as settings_check
from appliance.care.notices import Notices
from appliance.care.space import Space, look_at
from appliance.hardware.hardware import Hardware
from appliance.jobs.job import ENDED
from appliance.jobs.queue import Queue
from appliance.library.speech_filter import SpeechFilter
from appliance.live.listener import Listener
from appliance.models.deploy import Deployments
from appliance.paths import DataFolder
from appliance.recording.microphones import Microphones
from appliance.recording.privacy import Privacy
from appliance.settings import Settings
from appliance.store.database import Database
from firmware_hooks.thermal import read_zones, throttled

log = logging.getLogger(__name__)

SLOW_EVERY_S = 3600.0
"""The whole database is read, and CUDA asked, no more often than this."""


@dataclass(eq=False)
class Health:
    """Of a daemon. Thread-safe. `root` is where /dev lies."""

    settings: Settings
    folder: DataFolder
    db: Database
    microphones: Microphones
    privacy: Privacy
    deployments: Deployments
    listener: Listener
    hardware: Hardware
    queue: Queue
    speech: SpeechFilter
    space: Space
    notices: Notices
    root: Path = Path("/")
    _slow: dict[str, tuple[float, Check]] = field(default_factory=dict, init=False)
    _looking: threading.Lock = field(default_factory=threading.Lock, init=False)

    def report(self) -> Report:
        """All checks, a few milliseconds; the slow ones are as old as an hour, unless they found
        something: then they look again."""
        return report(
            guarded(name, check)
            for name, check in (
                (settings_check.NAME, lambda: settings_check.check(self.folder.settings)),
                (microphones.NAME, self._microphones),
                (detection.NAME, self._detection),
                (disk.NAME, self._disk),
                (database.NAME, self._database),
                (gpu.NAME, lambda: self._seldom(gpu.NAME, lambda: gpu.check(self.root))),
                (tensorrt.NAME, lambda: tensorrt.check(self.root)),
                (torch_cuda.NAME, self._torch),
                (clock_check.NAME, _clock),
                (temperature.NAME, self._temperature),
                (queue.NAME, self._queue),
                (speech.NAME, lambda: speech.check(self.speech.state())),
                (backup.NAME, self._backup),
                (notices.NAME, lambda: notices.check(self.notices.unread())),
            )
        )

    def _microphones(self) -> Check:
        paused = self.privacy.state()
        return microphones.check(
            self.microphones.all(), (paused.detail or "paused") if paused.paused else ""
        )

    def _detection(self) -> Check:
        heard, missed = self.listener.windows()
        return detection.check(
            self.deployments.current(),
            heard,
            missed,
            self.listener.lagging(),
            "detection" in self.hardware.view().hung,
        )

    def _disk(self) -> Check:
        return disk.check(self.folder.root, self.space.look)

    def _backup(self) -> Check:
        return backup.check(self.folder, backup.place(self.settings, self.folder))

    def _database(self) -> Check:
        if "database" in self.hardware.view().hung:
            return database.hung()
        return self._seldom(database.NAME, lambda: database.check_open(self.db.read().conn))

    def _temperature(self) -> Check:
        board = self.hardware.view()
        return temperature.check(board.temperatures, board.throttled, board.heat.hot)

    def _queue(self) -> Check:
        last = next((job for job in self.queue.all(20).items if job.state in ENDED), None)
        return queue.check(self.queue.current(), self.queue.waiting(), last)

    def _torch(self) -> Check:
        # Another one comes with another release only, and asking takes seconds and memory.
        return self._seldom(torch_cuda.NAME, lambda: torch_cuda.check(self.root), math.inf)

    def _seldom(self, name: str, look: Callable[[], Check], every_s: float = SLOW_EVERY_S) -> Check:
        with self._looking:
            at, seen = self._slow.get(name, (0.0, None))
            if seen is None or seen.state == "failing" or clock.seconds() - at > every_s:
                seen = look()
                self._slow[name] = (clock.seconds(), seen)
            return seen


def look_without_daemon(folder: DataFolder, settings: Settings, root: Path = Path("/")) -> Report:
    """The checks that need no daemon; nothing is written to `folder`."""
    there = _there(folder.root)
    return report(
        guarded(name, check)
        for name, check in (
            (settings_check.NAME, lambda: settings_check.check(folder.settings)),
            (
                disk.NAME,
                lambda: disk.check(there, lambda: look_at(there, settings.space)),
            ),
            (database.NAME, lambda: database.check_file(folder.database)),
            (gpu.NAME, lambda: gpu.check(root)),
            (tensorrt.NAME, lambda: tensorrt.check(root)),
            (torch_cuda.NAME, lambda: torch_cuda.check(root)),
            (clock_check.NAME, _clock),
            (temperature.NAME, lambda: temperature.check(read_zones(root), throttled(root))),
            (backup.NAME, lambda: backup.check(folder, backup.place(settings, folder))),
            (notices.NAME, lambda: notices.check(Notices(folder).unread())),
        )
    )


def guarded(name: str, look: Callable[[], Check]) -> Check:
    """What `look` finds; a check that fails itself says so, and hides no other."""
    try:
        return look()
    except PermissionError as error:
        return Check(
            name,
            "failing",
            f"It may not be looked at: {error.filename or error}.",
            "run this as the user who owns the data folder, or with sudo",
        )
    except Exception as error:
        log.warning("the check of %s failed", name, exc_info=True)
        return Check(
            name,
            "failing",
            f"It could not be looked at: {error}.",
            "see the daemon's log, and send a support bundle with your report",
        )


def _clock() -> Check:
    return clock_check.check(time.time(), clock.clock_synced())


def _there(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
