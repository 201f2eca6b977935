"""Listening comes first: a training is held while windows are judged late.

The training child is humble already (`training.nice`); this is for boxes where that is not
enough, or where something else takes the cores as well.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from appliance import clock
from appliance.events import Event, EventBus

log = logging.getLogger(__name__)

# From a window's last sample to its scores: behind, and well again.
BEHIND_MS, WELL_MS = 700.0, 300.0
# So long without being behind, before the training goes on.
REST_S = 5.0
# Microphones that were removed say nothing any more: after this the training goes on anyway.
FORGET_S = 30.0


class Courtesy:
    """`pause(why)` holds the running training and says whether there is one; `resume()` lets it
    go on."""

    def __init__(
        self, bus: EventBus, pause: Callable[[str], bool], resume: Callable[[], None]
    ) -> None:
        self._bus = bus
        self._pause = pause
        self._resume = resume
        self._lock = threading.Lock()
        self._held = False
        self._missed = 0
        self._behind_at = 0.0
        self._timer: threading.Timer | None = None
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._unsubscribe = self._bus.subscribe(self._told)

    def stop(self) -> None:
        self._unsubscribe()
        with self._lock:
            self._go_on()

    def _told(self, event: Event) -> None:
        if event.topic != "hearing":
            return
        ears = event.data["microphones"].values()
        lag_ms = max((ear["lag_ms"] for ear in ears), default=0.0)
        missed = sum(ear["missed"] for ear in ears)
        with self._lock:
            lost, self._missed = missed > self._missed, missed
            now = clock.seconds()
            if lost or lag_ms > BEHIND_MS:
                self._behind_at = now
                if not self._held and self._pause(f"listening is {lag_ms:.0f} ms behind"):
                    log.warning("the training is held: listening is %.0f ms behind", lag_ms)
                    self._held = True
                self._forget_later()
            elif lag_ms > WELL_MS:
                self._behind_at = now
            elif self._held and now - self._behind_at > REST_S:
                self._go_on()

    def _forget_later(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            self._timer = threading.Timer(FORGET_S, self._forget)
            self._timer.daemon = True
            self._timer.start()

    def _forget(self) -> None:
        with self._lock:
            self._go_on()

    def _go_on(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._held:
            self._held = False
            self._resume()
            log.info("the training goes on")
