"""The daemon's backups: one at a time, on a thread, with progress; asked for, or by the timer."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from appliance.care.backup import as_rows, make_backup, read_manifest
from appliance.care.backup_place import backups, check_target, on_the_same_disk, place_of
from appliance.errors import Conflict, EarmarkError
from appliance.events import EventBus
from appliance.paths import DataFolder
from appliance.settings import Settings

log = logging.getLogger(__name__)

TOLD_EVERY_S = 0.5


@dataclass(frozen=True)
class Backup:
    """state: "running", "done" or "failed" with its reason in `detail`; files: copied or found
    there already, of `total`; eta_s: seconds left, None while nobody knows. A backup that is done
    may have a `detail`, too: what it lacks."""

    target: str
    state: str
    files: int = 0
    total: int = 0
    eta_s: float | None = None
    path: str = ""
    detail: str = ""
    advice: str = ""


class Backups:
    """Thread-safe. Topic `backup` on the bus: a Backup, at most twice a second."""

    def __init__(self, folder: DataFolder, settings: Settings, bus: EventBus) -> None:
        self._folder = folder
        self._settings = settings.backup
        self._bus = bus
        self._lock = threading.Lock()
        self._latest: Backup | None = None
        self._thread: threading.Thread | None = None

    @property
    def target(self) -> Path:
        """Where backups go when nobody says otherwise."""
        return Path(self._settings.target) if self._settings.target else self._folder.backups

    def latest(self) -> Backup | None:
        """The one that runs, or the last one of this daemon's life."""
        return self._latest

    def all(self, target: Path | None = None) -> list[dict[str, Any]]:
        """This box's complete backups in `target`, or at the usual place, the newest first."""
        return as_rows(backups(place_of(self._folder, target or self.target)))

    def places(self) -> list[Path]:
        """Where this box's sounds are kept, the usual place first."""
        found = [place_of(self._folder, target) for target in (self.target, self._folder.backups)]
        return list(dict.fromkeys(place for place in found if place is not None))

    def use(self, settings: Settings) -> None:
        """Of the next backup."""
        self._settings = settings.backup

    def begin(self, target: str | None = None) -> Backup:
        """Start one. Raises Conflict while one runs, InvalidInput for a bad target."""
        place = Path(target) if target else self.target
        check_target(self._folder, place)
        with self._lock:
            if self._latest is not None and self._latest.state == "running":
                raise Conflict("a backup runs already", "wait for its end; then begin another")
            self._latest = Backup(str(place), "running")
            self._thread = threading.Thread(target=self._run, args=[place], name="backup")
            self._thread.daemon = True
            self._thread.start()
            return self._latest

    def _run(self, target: Path) -> None:
        began = told = time.monotonic()

        def tell(done: int, total: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told >= TOLD_EVERY_S or done == total:
                told = now
                left = (now - began) / max(done, 1) * (total - done)
                self._say(Backup(str(target), "running", done, total, round(left, 1)))

        try:
            made = make_backup(self._folder, target, self._settings.keep, tell)
            manifest = read_manifest(made)
        except Exception as error:  # whatever it is, the next one must be able to begin
            log.error(
                "the backup to %s failed: %s",
                target,
                error,
                exc_info=not isinstance(error, EarmarkError),
            )
            advice = getattr(error, "advice", "")
            self._say(Backup(str(target), "failed", detail=str(error), advice=advice))
            return
        log.info("backed up %d clips to %s", manifest.clips, made)
        latest = self._latest or Backup(str(target), "done")
        detail, advice = "", ""
        if manifest.missing:
            detail = f"{manifest.missing} sounds are damaged or gone on the box: they are not in it"
            advice = "`earmark doctor` says more"
        elif on_the_same_disk(self._folder, target):
            detail = "it lies on the same disk as the sounds, and would be lost with it"
            advice = "name a folder on another disk, and set backup.target to it"
        latest = replace(latest, state="done", path=str(made), eta_s=0.0)
        self._say(replace(latest, detail=detail, advice=advice))

    def _say(self, backup: Backup) -> None:
        self._latest = backup
        self._bus.publish("backup", asdict(backup))
