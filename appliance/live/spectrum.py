"""What each microphone sounds like now, while somebody looks: level and spectrogram, by columns."""

from __future__ import annotations

import logging
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.audio.mel import frame_size, mel_power
from appliance.errors import EarmarkError
from appliance.events import EventBus
from appliance.recording.microphones import Microphones

log = logging.getLogger(__name__)

EVERY_S = 0.25
BANDS = 48
LOWEST_DBFS, STEPS = -100.0, 200
"""A band's byte is 0 at LOWEST_DBFS and below, STEPS at full scale: half a decibel a step."""


class Spectrum:
    """Topic `spectrum` on the bus, four times a second while somebody watches:
    {"microphones": {id: {"level_dbfs", "peak_dbfs", "lost_frames", "state", "column"}}}.

    `column` is the power since the last one in BANDS bands on the mel scale up to half the rate,
    a byte each in hexadecimal, the lowest pitch first; empty when no sound came.
    """

    def __init__(self, microphones: Microphones, bus: EventBus) -> None:
        self._microphones = microphones
        self._bus = bus
        self._lock = threading.Lock()
        self._done: threading.Event | None = None
        self._stopped = False

    def start(self) -> None:
        self._bus.make_when_watched("spectrum", self._watched)

    def stop(self) -> None:
        self._stopped = True
        self._watched(False)

    def _watched(self, wanted: bool) -> None:
        with self._lock:
            if self._done is not None:
                self._done.set()
                self._done = None
            if wanted and not self._stopped:
                self._done = threading.Event()
                arguments = (self._done,)
                threading.Thread(
                    target=self._run, args=arguments, name="spectrum", daemon=True
                ).start()

    def _run(self, done: threading.Event) -> None:
        places: dict[str, tuple[int, int]] = {}
        while not done.wait(EVERY_S):
            try:
                self._bus.publish("spectrum", {"microphones": self._look(places)})
            except Exception:
                log.exception("the spectrum failed")

    def _look(self, places: dict[str, tuple[int, int]]) -> dict[str, Any]:
        """`places` is kept up to date: stream and frame up to which each was looked at."""
        answer: dict[str, Any] = {}
        for view in self._microphones.all():
            status = view.status
            answer[view.id] = {
                "level_dbfs": round(status.level_dbfs, 1),
                "peak_dbfs": round(status.peak_dbfs, 1),
                "lost_frames": status.lost_frames,
                "state": status.state,
                "column": self._column(view.id, places),
            }
        return answer

    def _column(self, identifier: str, places: dict[str, tuple[int, int]]) -> str:
        try:
            ring = self._microphones.capture(identifier).ring
        except EarmarkError:
            return ""  # disabled or removed just now
        newest = ring.last(EVERY_S)
        stream, frame = places.get(identifier, (0, 0))
        if newest.stream == stream and newest.end_frame > frame:
            # Every sample in one column, as far back as two of them.
            newest = ring.from_frame(max(frame, newest.end_frame - 2 * len(newest.samples)))
        elif newest.stream == stream:
            return ""
        places[identifier] = (newest.stream, newest.end_frame)
        return column(newest.samples, newest.rate).hex() if len(newest.samples) else ""


def column(samples: NDArray[np.float32], rate: int) -> bytes:
    """One column of a spectrogram: BANDS bytes of 0 to STEPS, the lowest pitch first."""
    power = mel_power(samples, rate, 1, BANDS)[:, 0]
    # A sine at full scale gives a quarter of the frame's length under Hann's window.
    full = (frame_size(rate) / 4) ** 2
    level = 10.0 * np.log10(np.maximum(power / full, 1e-12))
    share = np.clip(1.0 - level / LOWEST_DBFS, 0.0, 1.0)
    return bytes(np.rint(share * STEPS).astype(np.uint8))
