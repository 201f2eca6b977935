"""Clips that came without a fingerprint get theirs in the background, and are compared.

What the box records brings it along (`audio/flac.py`). An import, which shall be fast, does not,
nor do clips of a library that is older than fingerprints or made with another method of them. It
works slowly on one core, rests while listening is late, and is asked to finish before a dataset
version is made.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from appliance import clock
from appliance.audio.fingerprint import Fingerprint, fingerprint
from appliance.audio.flac import read_flac
from appliance.errors import EarmarkError
from appliance.events import Event, EventBus
from appliance.library.clips import Clips
from appliance.periodic import Periodic

log = logging.getLogger(__name__)

BATCH = 16
NICE = 15
# After each batch it rests for three times as long as the batch took.
REST = 3.0
BUSY_WAIT_S = 2.0
LOOK_EVERY_S = 60.0
# After clips were added it waits until no more have come for so long.
SETTLED_S = 2.0


class Fingerprints:
    """`busy` says whether something else needs the processor more."""

    def __init__(
        self, clips: Clips, bus: EventBus, busy: Callable[[], bool] = lambda: False
    ) -> None:
        self._clips = clips
        self._bus = bus
        self._busy = busy
        self._added = threading.Event()
        self._working = threading.Lock()
        self._periodic = Periodic("fingerprints", self._turn, LOOK_EVERY_S, nice=NICE)
        self._unsubscribe: Callable[[], None] = lambda: None
        # Clips whose file cannot be read: they are told of once, and tried again after a restart.
        self._given_up: set[int] = set()

    def start(self) -> None:
        self._unsubscribe = self._bus.subscribe(self._heard)
        self._periodic.start()

    def stop(self) -> None:
        """Ends after the clip that it is at."""
        self._unsubscribe()
        self._periodic.stop()

    def finish(self, within_s: float) -> bool:
        """Compare what is left now, at full speed; whether all of it was done in that time."""
        until = clock.seconds() + within_s
        while not self._periodic.stopping() and clock.seconds() < until:
            if not self.batch():
                return True
        return False

    def _heard(self, event: Event) -> None:
        if event.topic == "clip" and event.data.get("action") == "added":
            self._added.set()
            self._periodic.wake()

    def _turn(self) -> None:
        while self._added.is_set() and not self._periodic.stopping():
            self._added.clear()
            self._periodic.rest(SETTLED_S)
        try:
            self._catch_up()
        except EarmarkError as error:
            log.warning("clips are not compared now: %s", error)

    def _catch_up(self) -> None:
        done = 0
        while not self._periodic.stopping():
            if self._busy():
                self._periodic.rest(BUSY_WAIT_S)
                continue
            began = clock.seconds()
            compared = self.batch()
            if not compared:
                break
            done += compared
            self._periodic.rest(REST * (clock.seconds() - began))
        if done:
            log.info("%d clips compared with the others", done)

    def batch(self) -> int:
        """Compare some of the clips that nobody has compared; how many, 0 at the end."""
        with self._working:
            return self._batch()

    def _batch(self) -> int:
        near = self._clips.near
        waiting = near.waiting(BATCH + len(self._given_up))
        due = [clip for clip in waiting if clip not in self._given_up][:BATCH]
        found: dict[int, Fingerprint] = {}
        for clip in self._clips.get_many(due):
            if self._periodic.stopping():
                break
            try:
                found[clip.id] = fingerprint(*read_flac(self._clips.path(clip)))
            except EarmarkError as error:
                log.warning("clip %d cannot be compared with others: %s", clip.id, error)
                self._given_up.add(clip.id)
        near.add_all(found)
        return len(due)
