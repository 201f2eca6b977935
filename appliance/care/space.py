"""Room on the disk as one state that everybody asks: ok, low or critical.

What can be spared goes first: at low the history and the clips of detections, at critical triggered
recording too. Labels, jobs and what a person records go on until the disk's last reserve.
"""

from __future__ import annotations

import logging
import shutil
import threading
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Protocol

from appliance.events import EventBus
from appliance.reserve import Reserve
from appliance.settings import SpaceSettings

log = logging.getLogger(__name__)

OK = "ok"
LOW = "low"
CRITICAL = "critical"
LOOK_EVERY_S = 5.0
BACK = 1.2
"""A level is left when there is so many times more room than its limit, or it would flutter."""

_SHED = {OK: [], LOW: ["history", "detection clips"]}
_SHED[CRITICAL] = [*_SHED[LOW], "triggered recordings"]


class Usage(Protocol):
    """What `shutil.disk_usage` returns, in bytes."""

    @property
    def total(self) -> int: ...
    @property
    def free(self) -> int: ...


@dataclass(frozen=True)
class SpaceState:
    """level: ok, low or critical; free, total: bytes; shed: what is not kept meanwhile."""

    level: str
    free: int
    total: int
    shed: list[str]


class Space:
    """Thread-safe. Topic `space` on the bus, once for each change: a SpaceState."""

    def __init__(
        self,
        folder: Path,
        settings: SpaceSettings,
        bus: EventBus,
        usage: Callable[[Path], Usage] = shutil.disk_usage,
        reserve: Reserve | None = None,
    ) -> None:
        """reserve: allocated here whenever there is room for it."""
        self._reserve = reserve
        self._folder = folder
        self._settings = settings
        self._bus = bus
        self._usage = usage
        self._state = SpaceState(OK, 0, 0, [])
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Look at once, so that nobody begins on a full disk, and then every few seconds."""
        self.look()
        self._thread = threading.Thread(target=self._run, name="space", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def state(self) -> SpaceState:
        """As it was seen last."""
        return self._state

    def low(self) -> bool:
        """Whether room is low, or worse."""
        return self._state.level != OK

    def critical(self) -> bool:
        return self._state.level == CRITICAL

    def look(self) -> SpaceState:
        """See how much room there is, and tell when the level has changed."""
        try:
            seen = self._usage(self._folder)
        except OSError as error:
            log.warning("the disk's space is unknown: %s", error)
            return self._state
        before = self._state.level
        level = self._level(before, seen.free, seen.total)
        self._state = SpaceState(level, seen.free, seen.total, _SHED[level])
        if level != before:
            shed = ", ".join(_SHED[level]) or "nothing"
            log.log(
                logging.INFO if level == OK else logging.WARNING,
                "room on the disk is %s: %d MB free; not kept now: %s",
                level,
                seen.free // 1_000_000,
                shed,
            )
            self._bus.publish("space", asdict(self._state))
        if self._reserve is not None:
            self._reserve.give()
            # With some patience: what was given back is not taken again at once.
            self._reserve.make(BACK * self._limits(seen.total)[0])
        return self._state

    def _level(self, before: str, free: int, total: int) -> str:
        critical, low = self._limits(total)
        if free < critical * (BACK if before == CRITICAL else 1):
            return CRITICAL
        if free < low * (1 if before == OK else BACK):
            return LOW
        return OK

    def _limits(self, total: int) -> tuple[float, float]:
        """Critical and low, in bytes."""
        chosen = self._settings
        critical = max(chosen.critical_mb * 1e6, chosen.critical_percent / 100 * total)
        return critical, max(chosen.low_mb * 1e6, chosen.low_percent / 100 * total, critical)

    def _run(self) -> None:
        while not self._stop.wait(LOOK_EVERY_S):
            self.look()
