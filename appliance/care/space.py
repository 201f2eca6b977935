"""Room on the disk, judged in one place: how little there is, and what is spared for it.

The less room, the more is spared, and always in the same order: first the history, which is the
one thing on the disk that is only a cache, and further copies of the database; then the clips of
detections, then triggered recordings; at last the library takes no new sounds at all. Labels and
jobs are never spared.
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
from appliance.library.disk import RESERVE_BYTES
from appliance.periodic import Periodic
from appliance.reserve import Reserve
from appliance.settings import Settings, SpaceSettings

log = logging.getLogger(__name__)

OK, LOW, SHORT, CRITICAL, FULL = "ok", "low", "short", "critical", "full"
LEVELS = (OK, LOW, SHORT, CRITICAL, FULL)
HISTORY = "history"
COPIES = "nightly copies of the database"
DETECTION_CLIPS = "clips of detections"
TRIGGERED = "triggered recordings"
NEW_SOUNDS = "new sounds"
SPARED = ((HISTORY, COPIES), (DETECTION_CLIPS,), (TRIGGERED,), (NEW_SOUNDS,))
"""What each level after `ok` spares, besides all that the levels before it do."""

LOOK_EVERY_S = 5.0
BACK = 1.2
"""A level is left when there is so many times more room than its limit, or it would flutter."""


class Usage(Protocol):
    """What `shutil.disk_usage` returns, in bytes."""

    @property
    def total(self) -> int: ...
    @property
    def free(self) -> int: ...


@dataclass(frozen=True)
class SpaceState:
    """level: ok, low, short, critical or full; free, total: bytes; limit: bytes, room is low when
    less is free; shed: what is not kept meanwhile."""

    level: str
    free: int
    total: int
    limit: int
    shed: list[str]


def limits(settings: SpaceSettings, total: int) -> dict[str, int]:
    """Each level after `ok`, and the bytes below which it begins, for a disk of `total` bytes. A
    level never begins later than a worse one, whatever the settings say."""
    full = RESERVE_BYTES
    critical = max(full, _limit(settings.critical_mb, settings.critical_percent, total))
    short = max(critical, _limit(settings.short_mb, settings.short_percent, total))
    low = max(short, _limit(settings.low_mb, settings.low_percent, total))
    return {LOW: low, SHORT: short, CRITICAL: critical, FULL: full}


def judge(settings: SpaceSettings, free: int, total: int, before: str = OK) -> SpaceState:
    """What `free` bytes of `total` mean, when the level was `before`."""
    found = OK
    begins = limits(settings, total)
    for level, limit in begins.items():
        held = LEVELS.index(before) >= LEVELS.index(level)
        if free < limit * (BACK if held else 1):
            found = level
    shed = [what for level in SPARED[: LEVELS.index(found)] for what in level]
    return SpaceState(found, free, total, begins[LOW], shed)


def look_at(folder: Path, settings: SpaceSettings) -> SpaceState:
    """The disk that holds `folder`, for whoever has no daemon to ask. Raises OSError."""
    seen = shutil.disk_usage(folder)
    return judge(settings, seen.free, seen.total)


class Space:
    """Thread-safe. Topic `space` on the bus, once for each change of level: a SpaceState."""

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
        self._state = judge(settings, 1 << 62, 0)
        self._looking = threading.Lock()
        self._periodic = Periodic("space", self.look, LOOK_EVERY_S, first_s=LOOK_EVERY_S)

    def use(self, settings: Settings) -> None:
        """Take up other limits while it runs, at once."""
        self._settings = settings.space
        self.look()

    def start(self) -> None:
        """Look at once, so that nobody begins on a full disk, and then every few seconds."""
        self.look()
        self._periodic.start()

    def stop(self) -> None:
        self._periodic.stop()

    def state(self) -> SpaceState:
        """As it was seen last."""
        return self._state

    def sheds(self, what: str) -> bool:
        """Whether `what`, one of `SPARED`, is not kept now."""
        return what in self._state.shed

    def low(self) -> bool:
        """Whether room is low, or worse."""
        return self._state.level != OK

    def missing(self) -> int | None:
        """Bytes to be freed before there is no less than the first limit; None when room is not
        low."""
        state = self._state
        return None if state.level == OK else max(0, state.limit - state.free)

    def spare(self) -> int:
        """Bytes that can be written before room is low."""
        return max(0, self._state.free - self._state.limit)

    def look(self) -> SpaceState:
        """See how much room there is, and tell when the level has changed."""
        with self._looking:
            try:
                seen = self._usage(self._folder)
            except OSError as error:
                log.warning("the disk's space is unknown: %s", error)
                return self._state
            before = self._state.level
            state = judge(self._settings, seen.free, seen.total, before)
            self._state = state
            if state.level != before:
                log.log(
                    logging.INFO if state.level == OK else logging.WARNING,
                    "room on the disk is %s: %d MB free; not kept now: %s",
                    state.level,
                    seen.free // 1_000_000,
                    ", ".join(state.shed) or "nothing",
                )
                self._bus.publish("space", asdict(state))
            if self._reserve is not None:
                self._reserve.give()
                # With some patience: what was given back is not taken again at once.
                self._reserve.make(BACK * limits(self._settings, seen.total)[CRITICAL])
            return state


def _limit(megabytes: int, percent: float, total: int) -> int:
    return round(max(megabytes * 1e6, percent / 100 * total))
