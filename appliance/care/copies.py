"""Nightly copies of the database alone, on the box's own disk: what a box without another disk has.

A day on which a backup was made needs none. They cost a database's size each, and save labels,
detections and versions from a damaged database, whose sounds lie beside it anyway; a dying disk
takes both, which is why the checks of health go on asking for a backup.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from appliance import clock
from appliance.care.backup import copy_database, readable
from appliance.care.backup_place import place_of, prune
from appliance.care.notices import Notices
from appliance.care.space import COPIES, Space
from appliance.errors import EarmarkError
from appliance.library.disk import disk_errors
from appliance.paths import DataFolder
from appliance.periodic import Periodic
from appliance.settings import Settings

log = logging.getLogger(__name__)

FIRST_S = 600.0
"""A daemon that ends again and again makes none, and so drops no earlier one."""
LOOK_EVERY_S = 600.0
AGAIN_S = 6 * 3600.0
NIGHT = range(4, 6)
"""Hours, local time: the backup, if there is a place for it, has ended by then."""
FRESH_S = 12 * 3600.0
LATE_S = 26 * 3600.0
"""A box that is off at night makes its copy by day."""
TOPIC = "database copy"


@dataclass(frozen=True)
class DatabaseCopy:
    """`clips`: how many it names; `bytes`: its size on the disk; `made_at`: epoch seconds."""

    path: str
    made_at: float
    clips: int
    bytes: int


@dataclass(frozen=True)
class CopiesState:
    """`keep`: so many are wanted; `problem`: why none is made now, "" when nothing hinders;
    `items`: the newest first."""

    keep: int
    problem: str
    items: list[DatabaseCopy]


def newest_copy(folder: DataFolder) -> DatabaseCopy | None:
    """Of those that can be read."""
    return next(iter(_all(folder)), None)


class Copies:
    """Thread-safe."""

    def __init__(
        self,
        folder: DataFolder,
        settings: Settings,
        space: Space,
        notices: Notices,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._folder = folder
        self._settings = settings.backup
        self._space = space
        self._notices = notices
        self._now = now
        self._problem = ""
        self._not_before_s = 0.0
        self._periodic = Periodic("copies", self.look, LOOK_EVERY_S, first_s=FIRST_S)
        self.start = self._periodic.start
        self.stop = self._periodic.stop

    def use(self, settings: Settings) -> None:
        """Of the next look."""
        self._settings = settings.backup

    def state(self) -> CopiesState:
        return CopiesState(self._settings.copies, self._problem, _all(self._folder))

    def look(self) -> Path | None:
        """Make a copy if one is due and there is room; the folder of it. Of those that are there
        the settings, or a disk without room, let the newest stay."""
        keep, shed = self._settings.copies, self._space.sheds(COPIES)
        if self._folder.copies.is_dir():
            with disk_errors("the removal of old copies"):
                prune(self._folder.copies, min(keep, 1) if shed else keep)
        if keep and clock.seconds() < self._not_before_s:
            return None  # one was made, or failed, not long ago
        if not keep or not self._due():
            self._problem = ""
            return None
        if shed or self._space.spare() < self._folder.database.stat().st_size:
            self._refuse("there is too little room on the disk")
            return None
        return self._copy(keep)

    def _copy(self, keep: int) -> Path | None:
        began = clock.seconds()
        try:
            made = copy_database(self._folder, keep)
        except EarmarkError as error:
            self._not_before_s = began + AGAIN_S
            self._problem = str(error)
            self._notices.give(
                TOPIC,
                "warning",
                f"The nightly copy of the database failed: {error}.",
                f"{error.advice or 'see the log'}; if it is damaged, restart the daemon: it sets"
                " the file aside and restores the newest copy that is whole",
            )
            return None
        self._not_before_s, self._problem = began + FRESH_S, ""
        log.info("the database was copied, %.1f s: %s", clock.seconds() - began, made)
        return made

    def _refuse(self, problem: str) -> None:
        if problem != self._problem:
            log.warning("no copy of the database is made: %s", problem)
        self._problem = problem

    def _due(self) -> bool:
        age = self._age()
        if age is None or age < 0:  # of a clock that was not set, then or now, nothing is known
            return True
        return age > LATE_S or (age > FRESH_S and time.localtime(self._now()).tm_hour in NIGHT)

    def _age(self) -> float | None:
        """Seconds since the database was last saved, in a copy or a backup; None for never."""
        target = self._settings.target
        targets = [Path(target)] if target else []
        places = [place_of(self._folder, one) for one in (*targets, self._folder.backups)]
        made = [
            manifest.made_at
            for place in (self._folder.copies, *places)
            for _, manifest in islice(readable(place), 1)
        ]
        return self._now() - max(made) if made else None


def _all(folder: DataFolder) -> list[DatabaseCopy]:
    return [
        DatabaseCopy(str(path), manifest.made_at, manifest.clips, size)
        for path, manifest in readable(folder.copies)
        for size in [(path / "earmark.db").stat().st_size]
    ]
