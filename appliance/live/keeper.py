"""Keeps what was detected: the row at once, the end when it comes, the clip when it is whole.

Rows and clips are written by a thread each, because a database and a disk may be slow: listening
must not wait for them, and an event must not wait for the encoding of another one's clip. Sounds
that are decided together, on many microphones, share one commit.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from appliance import clock
from appliance.audio.capture import Capture
from appliance.audio.capture_state import DEAD
from appliance.audio.ring import Stretch
from appliance.errors import EarmarkError
from appliance.live.detection import SPEECH, Detection, NewDetection
from appliance.live.detections import Detections
from appliance.recording.assembly import Part
from appliance.recording.storing import SessionChain, store_part
from appliance.recording.worker import Worker

log = logging.getLogger(__name__)

# A clip whose sound does not come (the microphone died) is stored with what there is after this.
PATIENCE_S = 5.0


@dataclass
class Kept:
    """A sound being kept. `row` is written by the thread of the rows, before the thread of the
    clips gets it."""

    new: NewDetection
    capture: Capture
    first_frame: int
    end_frame: int
    past: Stretch  # of the clip, what was there when it was decided
    row: Detection | None = None
    clip_due_ns: int = field(default=0)
    keep_clip: bool = True


class Keeper:
    def __init__(
        self, detections: Detections, *, clip_s: float, preroll_s: float, keep_clips: bool
    ) -> None:
        """clip_s: length of a detection's clip, of which `preroll_s` lie before its onset."""
        self._detections = detections
        self._clip_s = clip_s
        self._preroll_s = min(preroll_s, clip_s)
        self._keep_clips = keep_clips
        self.no_room: Callable[[], bool] = lambda: False
        self._sessions = SessionChain(detections.clips, "detection")
        self._pending: list[Kept] = []
        self._begun: deque[Kept] = deque()  # whose rows are still to be written
        self._rows = Worker("detections")
        self._clips = Worker("detected clips", tick=self._watch)

    def start(self) -> None:
        self._clips.start()
        self._rows.start()

    def stop(self) -> None:
        """Store what is pending with as much sound as there is."""
        self._rows.stop()
        self._clips.submit(lambda: self._store_due(everything=True))
        self._clips.stop()

    def begin(self, new: NewDetection, capture: Capture, onset: tuple[int, int, int]) -> Kept:
        """A sound was decided. onset: stream, frame and rate of the microphone where it began.
        Called by the detector; returns at once."""
        stream, frame, rate = onset
        first = max(0, frame - round(self._preroll_s * rate))
        past = Stretch(np.zeros(0, np.float32), rate, 0, first)
        keep_clip = self._keep_clips and not self.no_room()
        if keep_clip:
            # Now, because the ring forgets everything before a gap.
            past = capture.ring.from_frame(first)
        if past.stream != stream:
            past = Stretch(np.zeros(0, np.float32), rate, 0, first, stream)
        first = past.frame if len(past.samples) else first
        end = first + round(self._clip_s * rate)
        kept = Kept(new, capture, first, end, past, keep_clip=keep_clip)
        self._begun.append(kept)
        self._rows.submit(self._begin_all)
        return kept

    def end(self, kept: Kept, ended_ns: int, peak: float) -> None:
        """The sound of `kept` is over. Returns at once."""
        self._rows.submit(lambda: self._end(kept, ended_ns, peak))

    def _begin_all(self) -> None:
        """Everything that was decided since the last commit; often nothing is left."""
        begun = []
        while self._begun:
            begun.append(self._begun.popleft())
        if not begun:
            return
        rows = self._detections.add_all([kept.new for kept in begun])
        for kept, row in zip(begun, rows, strict=True):
            kept.row = row
            if kept.keep_clip:
                self._clips.submit(partial(self._await_clip, kept))

    def _await_clip(self, kept: Kept) -> None:
        missing = kept.end_frame - kept.past.end_frame
        wait_s = max(0.0, missing / kept.past.rate) + PATIENCE_S
        kept.clip_due_ns = clock.monotonic_ns() + round(wait_s * 1e9)
        self._pending.append(kept)

    def _end(self, kept: Kept, ended_ns: int, peak: float) -> None:
        if kept.row is not None:
            self._detections.end(kept.row, ended_ns, peak)

    def _watch(self) -> bool:
        self._store_due()
        return bool(self._pending)

    def _store_due(self, *, everything: bool = False) -> None:
        now = clock.monotonic_ns()
        waiting = []
        for kept in self._pending:
            there = kept.capture.ring.last(0.0)
            whole = there.stream == kept.past.stream and there.frame >= kept.end_frame
            dead = kept.capture.status().state in DEAD
            gone = dead or there.stream != kept.past.stream or now >= kept.clip_due_ns
            if whole or gone or everything:
                try:
                    self._store_clip(kept)
                except EarmarkError as error:
                    log.error("the clip of a detection could not be stored: %s", error)
            else:
                waiting.append(kept)
        self._pending = waiting

    def _sound(self, kept: Kept) -> Part | None:
        """The clip's sound, or as much as there is."""
        sound = kept.capture.ring.from_frame(kept.first_frame)
        if sound.stream != kept.past.stream or sound.frame != kept.first_frame:
            sound = kept.past
        samples = sound.samples[: kept.end_frame - kept.first_frame]
        if len(samples) == 0:
            return None
        return Part(
            microphone=kept.new.microphone,
            samples=samples,
            rate=sound.rate,
            stream=sound.stream,
            frame=sound.frame,
            captured_ns=sound.captured_ns,
            start_s=0.0,
            lost_frames=0,
        )

    def _store_clip(self, kept: Kept) -> None:
        part = self._sound(kept)
        if kept.row is None or part is None:
            return
        clip = store_part(
            self._detections.clips,
            part,
            source="detection",
            session=self._sessions.session(part.captured_ns, part.microphone),
            extra={
                "suggested": kept.new.label,
                "score": round(kept.new.score, 4),
                "version": kept.new.version,
                "detection": kept.row.id,
            },
        )
        if clip is None:
            self._detections.goes_without(kept.row.id, SPEECH)
        else:
            self._detections.attach(kept.row.id, clip.id)
