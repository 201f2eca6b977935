"""The look at the library: over days each file under `clips/` is read once, compared with its hash
and its row, and what does not belong is set aside. Gently, one file after another, with pauses.

A run looks at the folders `clips/00` to `clips/ff` in turn and keeps its place in the database. At
most a tenth of the library goes in a run: more is no dirt, but a failing disk or a wrong database.
After a database was lost, files without a row become clips again instead (`rebuild`).
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from appliance import clock
from appliance.audio.flac import Piece
from appliance.care import rebuild
from appliance.care.backup_place import clip_place
from appliance.care.inspected import Inspected, InspectedFile, Inspections
from appliance.care.notices import Notices
from appliance.care.quarantine import CORRUPT, ORPHAN, Quarantine
from appliance.care.restore import copy_sound
from appliance.errors import Conflict, EarmarkError
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.paths import DataFolder
from appliance.periodic import Periodic
from appliance.settings import CareSettings
from appliance.store.database import Database

log = logging.getLogger(__name__)

SHARE = 10
"""At most one file of so many is set aside in a run."""
DAY_S = 86_400.0
FIRST_S = 60.0
"""A start has better things to do than to read old sounds."""
REST_S = 3600.0
TOPIC = "library"


class TooMany(Exception):
    """More would go than a run may take."""


class Inspection:
    """Thread-safe; one run at a time."""

    def __init__(
        self,
        db: Database,
        clips: Clips,
        datasets: Datasets,
        folder: DataFolder,
        settings: CareSettings,
        quarantine: Quarantine,
        notices: Notices,
        backup_places: Callable[[], list[Path]],
    ) -> None:
        """backup_places: where this box's backups keep sounds, the likeliest first."""
        self._db = db
        self._clips = clips
        self._datasets = datasets
        self._folder = folder
        self._settings = settings
        self._quarantine = quarantine
        self._notices = notices
        self._backup_places = backup_places
        self._table = Inspections(db)
        self._run = Inspected()
        self._known = rebuild.Known({}, [])
        self._allowed = 0
        self._pace = 0.0
        self._asked = False
        self._periodic = Periodic("inspection", self._turn, REST_S, first_s=self._first_s)
        self.start = self._periodic.start
        self.stop = self._periodic.stop

    def latest(self) -> Inspected | None:
        """The run at work, or the last one."""
        if self._asked or self._run.state == "running":
            return replace(self._run, state="running")
        return self._table.latest()

    def begin(self) -> None:
        """Look now, without pauses: at the rest of the run at work, or at all of it anew. Conflict
        when that goes on already."""
        if self._asked:
            raise Conflict("the library is being looked at already", "wait for its end")
        self._asked = True
        self._periodic.wake()

    # --- the thread ------------------------------------------------------------------------------

    def _first_s(self) -> float:
        return 0.0 if rebuild.is_wanted(self._folder) else FIRST_S

    def _turn(self) -> None:
        try:
            if self._asked or self._due():
                self._look()
        except (EarmarkError, OSError, sqlite3.Error) as error:
            log.warning("the look at the library goes on in an hour: %s", error)
        finally:
            self._asked = False

    def _due(self) -> bool:
        last = self._table.latest()
        if last is not None and last.state == "stopped":
            return False  # it waits for a person
        return self._settings.inspect_days > 0 or rebuild.is_wanted(self._folder)

    def _look(self) -> None:
        adopting = rebuild.is_wanted(self._folder)
        rows, size = self._table.library()
        if adopting:
            self._known = rebuild.known(self._folder)
            rows = max(rows, sum(1 for _ in self._folder.clips.glob("??/*")))
        elif not rows and not any(self._folder.clips.glob("??/*")):
            return
        self._run = run = self._table.resume(adopting)
        # With no clip at all the database is new, and nothing may go for that.
        self._allowed = max(1, rows // SHARE) if rows else 0
        self._pace = 0.0 if adopting else self._settings.inspect_days * DAY_S / max(size, 1)
        try:
            for shard in self._shards(after=run.shard):
                looked = self._look_at(shard)
                if self._periodic.stopping():
                    return
                self._run = replace(self._run, shard=shard.name)
                if looked:
                    self._table.save(self._run)
        except TooMany:
            self._give_up(rows)
            return
        self._run = replace(self._run, state="done")
        self._table.save(self._run)
        if adopting:
            self._rebuilt()

    def _shards(self, after: str) -> Iterator[Path]:
        for number in range(256):
            if (name := f"{number:02x}") > after:
                yield self._folder.clips / name

    def _look_at(self, shard: Path) -> bool:
        """Whether there was anything."""
        rows = self._table.rows(shard.name)
        before = self._run
        for path in sorted(shard.iterdir()) if shard.is_dir() else ():
            if self._periodic.stopping():
                return True
            self._file(path, rows)
        for sha256, clip in rows.items():
            if not self._folder.clip(sha256).exists():
                self._gone(clip, sha256)
        if replace(self._run, files=before.files, adopted=before.adopted) != before:
            self._tell()
        return bool(rows) or self._run != before

    def _file(self, path: Path, rows: dict[str, int]) -> None:
        if path.name.startswith(".") and path.name.endswith(".part"):
            path.unlink()  # a copy that was cut short; nobody waits for it
            return
        if not path.is_file() or path.is_symlink():
            return
        began = clock.seconds()
        try:
            seen = InspectedFile.read(path)
        except FileNotFoundError:
            return  # deleted just now
        self._run = replace(self._run, files=self._run.files + 1)
        clip = rows.get(path.stem)
        if clip is None:
            self._without_row(seen)
        elif seen.whole:
            if self._table.is_marked(clip):
                self._clips.losses.found(clip)
        else:
            self._corrupt(seen, clip)
        self._pause(seen.size, clock.seconds() - began)

    def _pause(self, size: int, took_s: float) -> None:
        """Spread over days by bytes; never more than half of the time, unless somebody waits."""
        if not self._asked:
            self._periodic.doze(max(took_s, size * self._pace))

    # --- what was found --------------------------------------------------------------------------

    def _without_row(self, seen: InspectedFile) -> None:
        # Under the write lock: the row of a sound that arrives just now comes after its file.
        with self._db.write():
            if self._table.clip(seen.path.stem) is not None:
                return
            if seen.piece is not None and self._run.adopting and self._adopt(seen.piece):
                return
            if seen.whole:
                self._set_aside(ORPHAN, "no clip names this sound", seen, None)
            else:
                self._set_aside(CORRUPT, seen.problem, seen, None)

    def _adopt(self, piece: Piece) -> bool:
        try:
            clip = rebuild.adopt(self._clips, piece, self._known.clips.get(piece.sha256))
        except EarmarkError as error:
            log.warning("%s stays without a row: %s", piece.path.name, error)
            return True
        if clip is not None:
            self._run = replace(self._run, adopted=self._run.adopted + 1)
        return clip is not None

    def _corrupt(self, seen: InspectedFile, clip: int) -> None:
        with self._db.write():
            if self._table.clip(seen.path.stem) != clip:
                return
            self._set_aside(CORRUPT, seen.problem, seen, clip)
            self._clips.losses.lost(clip)
        self._heal(clip, seen.path.stem)

    def _set_aside(self, kind: str, why: str, seen: InspectedFile, clip: int | None) -> None:
        self._spend()
        self._quarantine.put(kind, why, [seen.path], clip)
        self._run = replace(self._run, quarantined=self._run.quarantined + 1)

    def _gone(self, clip: int, sha256: str) -> None:
        with self._db.write():
            if self._table.clip(sha256) != clip or self._folder.clip(sha256).exists():
                return  # deleted, or come back, since the list was made
            if not self._table.is_marked(clip):
                self._spend()
                self._clips.losses.lost(clip)
                self._run = replace(self._run, missing=self._run.missing + 1)
        self._heal(clip, sha256)

    def _spend(self) -> None:
        if self._run.quarantined + self._run.missing >= self._allowed:
            raise TooMany

    def _heal(self, clip: int, sha256: str) -> None:
        """Bring a sound back from a backup of this box, if it is whole there."""
        target = self._folder.clip(sha256)
        target.parent.mkdir(exist_ok=True)
        # Without the lock: a disk that is slow to answer must not keep others from writing.
        if not any(
            copy_sound(clip_place(place, sha256), target, sha256) for place in self._backup_places()
        ):
            return
        with self._db.write():
            if self._table.clip(sha256) == clip:
                self._clips.losses.found(clip)
                self._run = replace(self._run, healed=self._run.healed + 1)
            elif self._table.clip(sha256) is None:
                target.unlink(missing_ok=True)  # a person deleted the clip meanwhile

    # --- saying so -------------------------------------------------------------------------------

    def _tell(self) -> None:
        run = self._run
        if not (run.quarantined or run.missing or run.healed):
            return
        lost = self._clips.losses.count()
        parts = [
            f"{run.quarantined} files set aside in quarantine",
            f"{run.missing} files gone",
            f"{run.healed} sounds brought back from a backup",
            f"{lost} clips without their sound now",
        ]
        said = ", ".join(part for part in parts if not part.startswith("0 "))
        self._notices.give(
            f"{TOPIC}, look {run.id}",
            "failing" if lost else "warning",
            f"The look at the library found: {said}.",
            "`earmark quarantine` lists them; `dmesg` shows errors of the disk"
            + ("; import lost sounds again, or delete their clips" if lost else ""),
        )

    def _give_up(self, rows: int) -> None:
        self._run = replace(
            self._run, state="stopped", stopped=f"more than {self._allowed} of {rows} clips"
        )
        self._table.save(self._run)
        self._notices.give(
            TOPIC,
            "failing",
            f"The look at the library stopped: files that are damaged, missing or without a clip"
            f" are more than {self._allowed} of {rows}, a tenth.",
            "probably the disk is failing, not mounted, or the wrong database was restored: see"
            " `dmesg` and `earmark doctor`; then `earmark quarantine inspect` goes on",
        )

    def _rebuilt(self) -> None:
        made = rebuild.finish(self._folder, self._datasets, self._known.datasets)
        self._known = rebuild.Known({}, [])
        run = self._run
        log.info("rebuilt: %s", asdict(run))
        if not run.adopted and not made:
            return  # the backup knew them all
        versions = f" and {len(made)} dataset versions" if made else ""
        self._notices.give(
            "rebuild",
            "warning",
            f"After the database was lost, {run.adopted} clips{versions} were made again of their"
            " files.",
            "clips that no dataset version named have no label now: `earmark clips --source"
            " recovered --unlabelled`",
        )
