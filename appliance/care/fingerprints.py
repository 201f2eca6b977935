"""Clips that came without a fingerprint get theirs in the background, and are compared.

New clips bring it along (`audio/flac.py`); those of a library that is older than fingerprints, or
made with another method of them, do not. It works slowly on one core, and rests while listening
is late.
"""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Callable

from appliance import clock
from appliance.audio.fingerprint import Fingerprint, fingerprint
from appliance.audio.flac import read_flac
from appliance.errors import EarmarkError
from appliance.library.clips import Clips

log = logging.getLogger(__name__)

BATCH = 16
NICE = 15
# After each batch it rests for three times as long as the batch took.
REST = 3.0
BUSY_WAIT_S = 2.0
LOOK_EVERY_S = 60.0


class Fingerprints:
    """`busy` says whether something else needs the processor more."""

    def __init__(self, clips: Clips, busy: Callable[[], bool] = lambda: False) -> None:
        self._clips = clips
        self._busy = busy
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        # Clips whose file cannot be read: they are told of once, and tried again after a restart.
        self._given_up: set[int] = set()

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="fingerprints", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ends after the clip that it is at."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self) -> None:
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)
        while not self._stop.is_set():
            try:
                self._catch_up()
            except EarmarkError as error:
                log.warning("clips are not compared now: %s", error)
            self._stop.wait(LOOK_EVERY_S)

    def _catch_up(self) -> None:
        done = 0
        while not self._stop.is_set():
            if self._busy():
                self._stop.wait(BUSY_WAIT_S)
                continue
            began = clock.seconds()
            compared = self.batch()
            if not compared:
                break
            done += compared
            self._stop.wait(REST * (clock.seconds() - began))
        if done:
            log.info("%d clips compared with the others", done)

    def batch(self) -> int:
        """Compare some of the clips that nobody has compared; how many, 0 at the end."""
        near = self._clips.near
        waiting = near.waiting(BATCH + len(self._given_up))
        due = [clip for clip in waiting if clip not in self._given_up][:BATCH]
        found: dict[int, Fingerprint] = {}
        for clip in self._clips.get_many(due):
            if self._stop.is_set():
                break
            try:
                found[clip.id] = fingerprint(*read_flac(self._clips.path(clip)))
            except EarmarkError as error:
                log.warning("clip %d cannot be compared with others: %s", clip.id, error)
                self._given_up.add(clip.id)
        near.add_all(found)
        return len(due)
