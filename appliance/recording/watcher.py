"""One microphone watched for sounds that rise above the background."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from appliance import clock
from appliance.audio.capture import Capture
from appliance.audio.source import Chunk
from appliance.audio.trigger import Trigger, TriggerEdge
from appliance.recording.assembly import LONGEST_S, Part
from appliance.recording.microphones import MicrophoneView
from appliance.settings import TriggerSettings

HOUR_NS = 3600 * 1_000_000_000
# Clips that may wait for a slow disk; more are dropped and counted.
MOST_WAITING = 20


@dataclass(frozen=True)
class TriggerState:
    """What a microphone's trigger does now.

    level_dbfs, background_dbfs, trigger_dbfs: the present level, the background, and the level
    that starts a recording (None while it is off, or in the first second). this_hour: recordings
    begun in the last hour; limited: so many that none begins now; no_room: none begins because the
    disk is nearly full; missed: sounds not recorded for either or for a slow disk; clips: stored
    since the daemon started; last_at: when the last began.
    """

    microphone: str
    name: str
    on: bool
    settings: dict[str, Any]
    level_dbfs: float
    background_dbfs: float | None
    trigger_dbfs: float | None
    recording: bool
    this_hour: int
    limited: bool
    no_room: bool
    missed: int
    clips: int
    last_at: float | None


@dataclass
class _Counts:
    lock: threading.Lock = field(default_factory=threading.Lock)
    begun: deque[int] = field(default_factory=deque)  # when, of the last hour
    clips: int = 0
    missed: int = 0
    last_at: float | None = None


class Watcher:
    """One microphone's trigger. `_hear` runs on the capture's thread."""

    def __init__(
        self,
        capture: Capture,
        settings: TriggerSettings,
        store: Callable[[Watcher, Part, Mapping[str, Any]], None],
        before: Watcher | None,
        no_room: Callable[[], bool],
    ) -> None:
        """no_room: whether the disk is too full to begin; what has begun is stored."""
        self._capture = capture
        self._settings = settings
        self._store = store
        self._no_room = no_room
        self._trigger = Trigger(settings)
        self._held: list[Chunk] = []
        self._opened: TriggerEdge | None = None
        self._waiting = 0
        # Counts survive a change of settings, and so does the limit an hour.
        self._counts: _Counts = _Counts() if before is None else before._counts
        self._lock = self._counts.lock
        self._unsubscribe: Callable[[], None] = lambda: None

    def serves(self, capture: Capture | None, settings: TriggerSettings | None) -> bool:
        return capture is self._capture and settings == self._settings

    def begin(self) -> None:
        self._unsubscribe = self._capture.subscribe(self._hear)

    def stop(self) -> None:
        self._unsubscribe()
        self.cut()

    def cut(self) -> None:
        """Store what is being recorded up to now."""
        with self._lock:
            if self._opened is not None and self._held:
                self._close(self._held[-1].end_frame, "stopped")

    def stored(self, done: bool | None) -> None:
        """None: the speech filter dropped it, so that it was neither stored nor missed."""
        with self._lock:
            self._waiting -= 1
            self._counts.clips += done is True
            self._counts.missed += done is False

    def state(self, view: MicrophoneView) -> TriggerState:
        with self._lock:
            background = self._trigger.background_dbfs
            begun = len(self._counts.begun)
            return TriggerState(
                microphone=view.id,
                name=view.name,
                on=True,
                settings=asdict(self._settings),
                level_dbfs=view.status.level_dbfs,
                background_dbfs=background,
                trigger_dbfs=None if background is None else background + self._settings.rise_db,
                recording=self._opened is not None,
                this_hour=begun,
                limited=begun >= self._settings.max_per_hour,
                no_room=self._no_room(),
                missed=self._counts.missed,
                clips=self._counts.clips,
                last_at=self._counts.last_at,
            )

    def _hear(self, chunk: Chunk) -> None:
        with self._lock:
            if self._held and _follows(self._held[-1], chunk):
                self._held.append(chunk)
            while self._counts.begun and chunk.captured_ns - self._counts.begun[0] > HOUR_NS:
                self._counts.begun.popleft()
            for edge in self._trigger.push(chunk):
                if edge.kind == "start":
                    self._open(edge, chunk)
                elif self._opened is not None:
                    self._close(edge.frame, edge.reason, edge.level_dbfs)

    def _open(self, edge: TriggerEdge, chunk: Chunk) -> None:
        full = len(self._counts.begun) >= self._settings.max_per_hour
        if full or self._waiting >= MOST_WAITING or self._no_room():
            self._counts.missed += 1
            return
        self._counts.begun.append(chunk.captured_ns)
        self._counts.last_at = clock.stamp_at(edge.captured_ns).wall
        # The ring has this chunk too, and what was before it.
        past = self._capture.ring.from_frame(edge.frame)
        self._held = [
            replace(chunk, samples=past.samples, frame=past.frame, captured_ns=past.captured_ns)
        ]
        self._opened = edge

    def _close(self, end: int, reason: str, loudest: float | None = None) -> None:
        opened, held = self._opened, self._held
        self._opened, self._held = None, []
        if opened is None or not held:
            return
        first = held[0]
        samples = np.concatenate([chunk.samples for chunk in held])
        samples = samples[: min(end - first.frame, round(LONGEST_S * first.rate))]
        if len(samples) == 0:
            return
        part = Part(
            microphone=first.microphone,
            samples=samples,
            rate=first.rate,
            stream=first.stream,
            frame=first.frame,
            captured_ns=first.captured_ns,
            start_s=0.0,
            lost_frames=0,
        )
        facts = {
            "onset_s": round((opened.onset_frame - first.frame) / first.rate, 3),
            "level_dbfs": round(opened.level_dbfs if loudest is None else loudest, 1),
            "background_dbfs": round(opened.background_dbfs, 1),
            "ended": reason,
        }
        self._waiting += 1
        self._store(self, part, facts)


def _follows(last: Chunk, chunk: Chunk) -> bool:
    return chunk.stream == last.stream and chunk.frame == last.end_frame
