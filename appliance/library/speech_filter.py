"""What the box would keep by itself is dropped when somebody seems to speak in it.

Off by default (setting `privacy.drop_speech`). A person's own recordings, imports and cuts are
never asked about. Of what is dropped only its number and length are kept, by day and by kind.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field

from appliance.audio.source import Samples
from appliance.audio.speech import SpeechDetector
from appliance.errors import EarmarkError, EngineError
from appliance.events import EventBus
from appliance.store.database import Database

log = logging.getLogger(__name__)

BY_ITSELF = ("trigger", "schedule", "background", "detection", "shadow", "history")
"""Sources of what the box keeps while nobody is there: of clips, and the minutes of the history."""


@dataclass(frozen=True)
class Dropped:
    """sounds: clips, or minutes of the history; seconds: how long they were together."""

    sounds: int = 0
    seconds: float = 0.0


@dataclass(frozen=True)
class SpeechState:
    """on: by the setting; problem: why it cannot hear speech, and then drops everything that the
    box would keep by itself; today (local time) and ever: what was dropped, by source."""

    on: bool
    problem: str = ""
    today: dict[str, Dropped] = field(default_factory=dict)
    ever: dict[str, Dropped] = field(default_factory=dict)

    def sounds(self) -> tuple[int, int]:
        """How many today, and ever."""
        today, ever = (sum(one.sounds for one in of.values()) for of in (self.today, self.ever))
        return today, ever


class SpeechFilter:
    """Thread-safe. Topic `recording` on the bus: {"what": "speech", "source", "microphone",
    "seconds"} for each sound that is dropped."""

    def __init__(self, db: Database, bus: EventBus, on: bool) -> None:
        self._db = db
        self._bus = bus
        self._on = False
        self._problem = ""
        self._detector: SpeechDetector | None = None
        self.switch(on)

    def switch(self, on: bool) -> None:
        """Drop speech from now on, or no longer. What is kept already stays."""
        if on and self._detector is None:
            try:
                self._detector = SpeechDetector()
                self._problem = ""
            except EngineError as error:
                # What cannot be looked at must not be kept: that was the promise.
                self._problem = str(error)
                log.error("%s: nothing that the box records by itself is kept", error)
        self._on = on

    def drops(self, source: str, microphone: str, samples: Samples, rate: int) -> bool:
        """Whether this sound (float32 [n] mono) must not be kept; if so it is counted."""
        if not self._on or source not in BY_ITSELF or len(samples) == 0:
            return False
        if not self._likely(samples, rate):
            return False
        seconds = round(len(samples) / rate, 1)
        log.info("%s: %.1f s were not kept, speech is likely in them", source, seconds)
        self._count(source, seconds)
        told = {"what": "speech", "source": source, "microphone": microphone, "seconds": seconds}
        self._bus.publish("recording", told)
        return True

    def state(self) -> SpeechState:
        day = _today()
        ever: dict[str, Dropped] = {}
        today: dict[str, Dropped] = {}
        for row in self._db.rows(
            "SELECT source, sum(sounds) AS sounds, sum(seconds) AS seconds,"
            " sum(sounds * (day = ?)) AS sounds_today, sum(seconds * (day = ?)) AS seconds_today"
            " FROM speech_dropped GROUP BY source ORDER BY source",
            (day, day),
        ):
            ever[row["source"]] = Dropped(row["sounds"], row["seconds"])
            if row["sounds_today"]:
                today[row["source"]] = Dropped(row["sounds_today"], row["seconds_today"])
        return SpeechState(self._on, self._problem if self._on else "", today, ever)

    def _likely(self, samples: Samples, rate: int) -> bool:
        if self._detector is None:
            return True
        try:
            likely = self._detector.likely(samples, rate)
        except Exception as error:  # ONNX Runtime's errors have no public base class
            if not self._problem:
                log.exception("a sound could not be looked at for speech: it is not kept")
            self._problem = f"speech cannot be heard: {error}"
            return True
        self._problem = ""
        return likely

    def _count(self, source: str, seconds: float) -> None:
        try:
            with self._db.write() as tx:
                tx.conn.execute(
                    "INSERT INTO speech_dropped VALUES (?, ?, 1, ?) ON CONFLICT (day, source)"
                    " DO UPDATE SET sounds = sounds + 1, seconds = seconds + excluded.seconds",
                    (_today(), source, seconds),
                )
        except EarmarkError as error:
            log.warning("what was dropped for speech is not counted: %s", error)


def _today() -> str:
    return time.strftime("%Y-%m-%d")
