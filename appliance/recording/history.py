"""The last hours of every microphone, kept so that a new version can be heard against them.

One thread writes minutes (`tape.py`) and rolls them away: by age, by a cap on their size, and first
of everything when the disk gets full. A person can pause it, which a restart does not undo, and
have it forgotten.
"""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from appliance import clock
from appliance.audio.flac import read_flac
from appliance.audio.source import Samples
from appliance.errors import EarmarkError, InvalidInput, NotFound
from appliance.events import Event, EventBus
from appliance.library.clip import LONGEST_S, Clip
from appliance.library.clips import Clips
from appliance.paths import DataFolder
from appliance.periodic import Periodic
from appliance.recording.microphones import Microphones
from appliance.recording.minutes import RATE, Minute, all_minutes, folder_of, minutes_in, place_of
from appliance.recording.tape import Tape
from appliance.settings import Settings

log = logging.getLogger(__name__)

TICK_S = 1.0
ROLL_EVERY_S = 15.0
NICE = 10
_PAUSED = "paused"
# Before this the wall clock has not been set: ages mean nothing.
CLOCK_IS_SET = 1_600_000_000.0


@dataclass(frozen=True)
class MicrophoneHistory:
    """What is kept of one microphone: seconds of sound, bytes, and from when to when (wall)."""

    microphone: str
    seconds: float
    bytes: int
    oldest_at: float
    newest_at: float


@dataclass(frozen=True)
class HistoryStatus:
    """`state`: on, off (by the setting), paused (by a person) or shed (the disk is nearly full);
    `hours`: of each microphone, at most."""

    state: str
    hours: float
    bytes: int
    problem: str
    microphones: list[MicrophoneHistory]


class History:
    """Thread-safe."""

    def __init__(
        self,
        microphones: Microphones,
        clips: Clips,
        folder: DataFolder,
        settings: Settings,
        bus: EventBus,
    ) -> None:
        self._microphones = microphones
        self._clips = clips
        self._root = folder.history
        self._settings = settings.history
        self._bus = bus
        self._lock = threading.RLock()  # of the tapes; held while they write
        self._tapes: dict[str, Tape] = {}
        self._stale = True  # the set of microphones may have changed
        self._shed = False
        self.missing: Callable[[], int | None] = lambda: None
        """Bytes that the disk wants back; None while there is room."""
        self._problem = ""
        self._rolled_s = 0.0
        self._periodic = Periodic("history", self._work, TICK_S, nice=NICE)
        self._unsubscribe: Callable[[], None] = lambda: None

    @property
    def paused(self) -> bool:
        return (self._root / _PAUSED).exists()

    def use(self, settings: Settings) -> None:
        """Take up another limit of its size while it runs."""
        self._settings = replace(self._settings, max_mb=settings.history.max_mb)

    def start(self) -> None:
        self._root.mkdir(mode=0o700, exist_ok=True)
        self._roll()
        if self._settings.hours == 0:
            return
        self._unsubscribe = self._bus.subscribe(self._told)
        self._rolled_s = clock.seconds()
        self._periodic.start()

    def stop(self) -> None:
        """What is held is written first."""
        self._unsubscribe()
        self._periodic.stop()
        with self._lock:
            for tape in self._tapes.values():
                self._guarded(tape.close)
            self._tapes.clear()

    # --- looking -------------------------------------------------------------------------------

    def status(self) -> HistoryStatus:
        kept = [
            MicrophoneHistory(
                microphone=microphone,
                seconds=sum(minute.seconds for minute in minutes),
                bytes=sum(minute.size for minute in minutes),
                oldest_at=minutes[0].at,
                newest_at=minutes[-1].at + minutes[-1].seconds / minutes[-1].speed,
            )
            for microphone, minutes in self.minutes().items()
        ]
        state = "on"
        if self._settings.hours == 0:
            state = "off"
        elif self.paused:
            state = "paused"
        elif self._shed:
            state = "shed"
        return HistoryStatus(
            state, self._settings.hours, sum(one.bytes for one in kept), self._problem, kept
        )

    def minutes(self) -> dict[str, list[Minute]]:
        """The complete minutes by microphone, oldest first."""
        return all_minutes(self._root)

    def sound(
        self, microphone: str, minute: int, start_s: float, end_s: float
    ) -> tuple[Samples, Minute]:
        """float32 [n] at `minutes.RATE`: from `start_s` to `end_s` after the beginning of that
        minute, over following ones where nothing lies between; and the minute.

        Raises NotFound when it has rolled away, InvalidInput for a stretch that means nothing.
        """
        if not (0 <= start_s < end_s <= start_s + LONGEST_S):
            raise InvalidInput(
                f"no stretch from {start_s:g} s to {end_s:g} s",
                f"give a start, and then an end that is at most {LONGEST_S:g} s later",
            )
        found = {one.number: one for one in minutes_in(folder_of(self._root, microphone))}
        first = found.get(minute)
        if first is None:
            raise NotFound(
                f"minute {minute} of {microphone[:80]} is not in the history any more",
                f"it keeps the last {self._settings.hours:g} hours (setting history.hours)",
            )
        parts = [read_flac(first.path)[0]]
        following = found.get(minute + 1)
        while sum(map(len, parts)) < end_s * RATE and following and following.follows:
            parts.append(read_flac(following.path)[0])
            following = found.get(following.number + 1)
        samples = np.concatenate(parts)[round(start_s * RATE) : round(end_s * RATE)]
        if len(samples) == 0:
            raise InvalidInput(
                f"minute {minute} ends before {start_s:g} s", f"it is {first.seconds:.1f} s long"
            )
        return samples, first

    def cut(
        self,
        microphone: str,
        minute: int,
        start_s: float,
        end_s: float,
        label: str | None,
        author: str,
    ) -> Clip:
        """That stretch as a clip; the same stretch again gives the same clip."""
        samples, first = self.sound(self._microphones_id(microphone), minute, start_s, end_s)
        stamp = clock.Stamp(
            first.stamp.boot_id,
            first.stamp.monotonic_ns + round(start_s / first.speed * 1e9),
            first.at + start_s / first.speed,
            first.stamp.clock_synced,
        )
        # What was heard about then is one recording, however its clips were made.
        session = self._clips.sessions.heard_near(first.microphone, stamp.wall)
        if session is None:
            session = self._clips.new_session(None, "history", first.microphone)
        clip = self._clips.add_samples(
            samples,
            RATE,
            source="history",
            session=session,
            microphone=first.microphone,
            stamp=stamp,
            author=author,
        )
        if label is not None:
            self._clips.set_label([clip.id], label, author, create=True)
            clip = self._clips.get(clip.id)
        return clip

    def clip_at(self, microphone: str, at: float, seconds: float, author: str = "") -> int | None:
        """What that microphone (its id) heard from `at` on (wall clock), as a clip's id; None
        when that is not kept."""
        try:
            minute, start_s = self.place(microphone, at)
        except NotFound:
            return None
        return self.cut(microphone, minute, start_s, start_s + seconds, None, author).id

    def place(self, microphone: str, at: float) -> tuple[int, float]:
        """The minute in which that microphone (an id or a name) heard `at` (wall clock), and the
        seconds from its beginning. NotFound when that is not kept."""
        return place_of(at, minutes_in(folder_of(self._root, self._microphones_id(microphone))))

    def _microphones_id(self, key: str) -> str:
        try:
            return self._microphones.get(key).id
        except NotFound:
            # Removed since; its history is still known by its id, and by its last name.
            former = {gone.name: gone.id for gone in reversed(self._microphones.former())}
            return former.get(key, key)

    # --- changing ------------------------------------------------------------------------------

    def pause(self) -> None:
        """Keep nothing from now on, until `resume`, also over a restart."""
        self._root.mkdir(mode=0o700, exist_ok=True)
        (self._root / _PAUSED).touch()
        with self._lock:
            for tape in self._tapes.values():
                tape.record(False)
                self._guarded(tape.end)

    def resume(self) -> None:
        (self._root / _PAUSED).unlink(missing_ok=True)
        self._periodic.wake()

    def forget(self) -> None:
        """Remove everything that is kept."""
        with self._lock:
            for tape in self._tapes.values():
                tape.drop()
            for minutes in self.minutes().values():
                for minute in minutes:
                    minute.path.unlink(missing_ok=True)

    def flush(self) -> None:
        """Write what is held, so that it can be read."""
        with self._lock:
            for tape in self._tapes.values():
                self._guarded(tape.cut)

    # --- on its thread -------------------------------------------------------------------------

    def _told(self, event: Event) -> None:
        if event.topic == "microphone" and event.data["what"] != "state":
            self._stale = True
            self._periodic.wake()

    def _work(self) -> None:
        self._turn()
        turned = self._shed is (self.missing() is None)  # room came, or went
        if turned or clock.seconds() - self._rolled_s >= ROLL_EVERY_S:
            self._roll()
            self._rolled_s = clock.seconds()

    def _turn(self) -> None:
        with self._lock:
            if self._stale:
                self._stale = False
                self._sync()
            recording = not self.paused and not self._shed
            for tape in self._tapes.values():
                tape.record(recording)
                if recording:
                    self._guarded(tape.work)
                else:
                    tape.drop()

    def _sync(self) -> None:
        wanted = {}
        for view in self._microphones.all():
            if view.enabled:
                try:
                    wanted[view.id] = self._microphones.capture(view.id)
                except EarmarkError as error:
                    log.debug("no history of %s: %s", view.id, error)
        for identifier, tape in list(self._tapes.items()):
            if wanted.get(identifier) is not tape.capture:
                self._guarded(self._tapes.pop(identifier).close)
        for identifier, capture in wanted.items():
            if identifier not in self._tapes:
                self._tapes[identifier] = Tape(self._root, capture, self._clips.speech)

    def _guarded(self, write: Callable[[], None]) -> None:
        """A disk that refuses costs the history that sound, and nobody anything else."""
        try:
            write()
        except OSError as error:
            problem = f"not written: {error.strerror or error}"
            if problem != self._problem:
                log.error("the history was %s", problem)
            self._problem = problem
        else:
            self._problem = ""

    # --- rolling -------------------------------------------------------------------------------

    def _roll(self) -> None:
        """Remove what is too old or too much."""
        now = time.time()
        kept: list[Minute] = []
        for minutes in self.minutes().values():
            seconds = 0.0
            for minute in reversed(minutes):
                seconds += minute.seconds
                # By amount, because a box may not know what time it is; by age where it does.
                old = seconds > self._settings.hours * 3600 or (
                    min(now, minute.at) > CLOCK_IS_SET
                    and now - minute.at > self._settings.hours * 3600 + minute.seconds
                )
                if old:
                    minute.path.unlink(missing_ok=True)
                else:
                    kept.append(minute)
        kept.sort(key=lambda minute: minute.at)
        over = sum(minute.size for minute in kept) - self._settings.max_mb * 1_000_000
        self._remove(kept, over)
        self._make_room(kept)
        self._remove_empty()

    def _make_room(self, kept: list[Minute]) -> None:
        """The first to go when the disk gets full: as much as it wants back, and nothing more is
        kept until there is room again."""
        missing = self.missing()
        if missing is not None:
            freed = self._remove(kept, missing)
            if freed:
                log.warning("the disk is nearly full: %d MB of history shed", freed // 1_000_000)
        self._shed = missing is not None

    @staticmethod
    def _remove(kept: list[Minute], amount: float) -> int:
        """The oldest, until `amount` bytes are gone; how many that were."""
        freed = 0
        while kept and freed < amount:
            minute = kept.pop(0)
            minute.path.unlink(missing_ok=True)
            freed += minute.size
        return freed

    def _remove_empty(self) -> None:
        """Folders of microphones that are gone, once nothing is left of their sound."""
        with self._lock:
            used = {tape.folder for tape in self._tapes.values()}
            for folder in self._root.iterdir():
                if folder.is_dir() and folder not in used and not minutes_in(folder):
                    shutil.rmtree(folder, ignore_errors=True)
