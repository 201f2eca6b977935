"""One microphone being recorded: from the reader thread's chunks to stored clips."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from appliance.audio.capture import Capture
from appliance.audio.source import Chunk
from appliance.errors import EarmarkError
from appliance.library.clips import Clips
from appliance.recording.assembly import Assembly, Part
from appliance.recording.interruption import Interruption, over
from appliance.recording.storing import store_part
from appliance.recording.worker import Worker
from appliance.units import human_duration

log = logging.getLogger(__name__)

# Sound that waits while a disk is slow. What does not fit is lost, counted and reported.
WAITING_LIMIT_S = 45.0


@dataclass(frozen=True)
class Recording:
    """A recording as people see it.

    state: "recording"; "storing" (ended, the rest is being written); "stored"; "incomplete" (it
    ended early, its microphone was away for a while, or some of it could not be stored; `detail`
    says why); "failed" (nothing was stored). While its microphone is away it goes on recording, and
    `detail` says what it waits for. elapsed_s: seconds of sound so far, with what is missing in it.
    gap_s: seconds for which the microphone was away. lost_frames: what the running microphone or a
    slow disk lost, which is silence in the clips or a gap between them.
    """

    id: int
    microphone: str
    session: int
    source: str
    label: str | None
    author: str
    started_at: float
    seconds: float | None
    pre_roll_s: float
    state: str
    detail: str
    elapsed_s: float
    gap_s: float
    lost_frames: int
    clips: list[int]


@dataclass(frozen=True)
class Order:
    """What was asked for, the same for each microphone of one call."""

    seconds: float | None
    label: str | None
    pre_roll_s: float
    author: str
    source: str
    session: int


class Take:
    """Runs on three threads: the caller's (`begin`, `end`), the capture's reader (`_hear`, which
    only counts and hands over) and the worker's (everything else)."""

    def __init__(
        self,
        identifier: int,
        capture: Capture,
        order: Order,
        clips: Clips,
        worker: Worker,
        told: Callable[[str, Take], None],
    ) -> None:
        """told(what, take) is called on the worker's thread with "clip", "waiting" (for its
        microphone), "resumed" and "ended"."""
        self.id = identifier
        self.capture = capture
        self.order = order
        self.finished = threading.Event()
        self._clips = clips
        self._worker = worker
        self._told = told
        self._lock = threading.Lock()
        self._assembly = Assembly(order.seconds)
        self._unsubscribe: Callable[[], None] = lambda: None
        self._started_at = time.time()
        self._interruption = Interruption(order.seconds)
        self._heard: int | None = None
        self._waiting = 0  # frames handed over and not stored yet
        self._overflowed = False
        self._pre_roll_s = 0.0
        self._state = "recording"
        self._detail = ""
        self._stored: list[int] = []
        self._problems: list[str] = []

    def begin(self) -> None:
        """Record from the next chunk on, and from as far back of it as the pre-roll goes."""
        self._unsubscribe = self.capture.subscribe(self._hear)

    def end(self, why: str = "", *, early: bool = False) -> None:
        """Take no more, and store the rest. `early`: nobody asked for it; `why` says so."""
        self._unsubscribe()
        with self._lock:
            if self._state != "recording":
                return
            self._state = "storing"
        self._worker.submit(lambda: self._finish(why, early))

    def view(self) -> Recording:
        with self._lock:
            return Recording(
                id=self.id,
                microphone=self.capture.id,
                session=self.order.session,
                source=self.order.source,
                label=self.order.label,
                author=self.order.author,
                started_at=self._started_at,
                seconds=self.order.seconds,
                pre_roll_s=self._pre_roll_s,
                state=self._state,
                detail=self._detail or self._waits_for(),
                elapsed_s=round(self._assembly.elapsed_s, 3),
                gap_s=round(self._assembly.gap_s, 3),
                lost_frames=self._assembly.lost_frames,
                clips=list(self._stored),
            )

    def check(self) -> None:
        """Notice that its microphone went away, wait for it, and end when that is for nothing.
        Called on the worker's thread now and then."""
        status = self.capture.status()
        with self._lock:
            if self._state != "recording":
                return
            why = self._interruption.look(status)
            # What is still to be stored came before whatever is the matter now.
            away = bool(why) and self._waiting == 0
            gone = away and self._interruption.begin(why)
            hopeless = away and self._interruption.past_end
            parts = self._assembly.interrupt() if gone else []
        self._store(parts)
        if ended := over(status):
            self.end(ended, early=status.state != "ended" or self.order.seconds is not None)
        elif hopeless:
            self.end(f"{why}; it did not come back before the planned end", early=True)
        elif gone:
            self._told("waiting", self)

    def _waits_for(self) -> str:
        why = self._interruption.why
        return f"{why}; the recording goes on when it comes back" if why else ""

    # --- on the reader's thread ----------------------------------------------------------------

    def _hear(self, chunk: Chunk) -> None:
        with self._lock:
            if self._state != "recording":
                return
            self._interruption.heard(chunk)
            if self._heard is None and self.order.pre_roll_s > 0:
                chunk = self._with_past(chunk)
            self._heard = chunk.end_frame
            frames = len(chunk.samples)
            if self._waiting + frames > WAITING_LIMIT_S * chunk.rate:
                # The gap in the frame numbers makes the assembly count it as lost.
                self._overflowed = True
                return
            self._waiting += frames
        self._worker.submit(lambda: self._take(chunk))

    def _with_past(self, chunk: Chunk) -> Chunk:
        """The first chunk, with the pre-roll before it."""
        past = self.capture.ring.from_frame(
            max(0, chunk.frame - round(self.order.pre_roll_s * chunk.rate))
        )
        known = past.stream == chunk.stream and past.end_frame >= chunk.end_frame
        if not known or past.frame >= chunk.frame:
            return chunk
        samples = past.samples[: chunk.end_frame - past.frame]
        self._pre_roll_s = (chunk.frame - past.frame) / chunk.rate
        if self._assembly.seconds is not None:
            self._assembly.seconds += self._pre_roll_s
        return replace(
            chunk, samples=samples, frame=past.frame, captured_ns=past.captured_ns, lost=0
        )

    # --- on the worker's thread ----------------------------------------------------------------

    def _take(self, chunk: Chunk) -> None:
        with self._lock:
            back = self._interruption.end()
            parts = self._assembly.push(chunk)
        self._store(parts)
        if back:
            self._told("resumed", self)
        with self._lock:
            # Only now: while a part is being written, the sound behind it waits.
            self._waiting -= len(chunk.samples)
        if self._assembly.done:
            self.end()

    def _store(self, parts: list[Part]) -> None:
        for part in parts:
            try:
                clip = store_part(
                    self._clips,
                    part,
                    source=self.order.source,
                    session=self.order.session,
                    label=self.order.label,
                    author=self.order.author,
                )
            except Exception as error:
                # Whatever it was: what comes after it is still to be stored.
                length = human_duration(len(part.samples) / part.rate)
                known = isinstance(error, EarmarkError)
                log.error(
                    "recording %d: %s not stored: %s", self.id, length, error, exc_info=not known
                )
                self._problems.append(f"{length} could not be stored: {error}")
                continue
            if clip is None:
                length = human_duration(len(part.samples) / part.rate)
                self._problems.append(f"{length} were not kept: speech is likely in them")
                continue
            with self._lock:
                self._stored.append(clip.id)
            self._told("clip", self)

    def _finish(self, why: str, early: bool) -> None:
        with self._lock:
            parts = self._assembly.finish()
        self._store(parts)
        problems = list(self._problems)
        if missing := self._interruption.account(self._assembly.gap_s):
            problems.insert(0, missing)
        if early:
            problems.insert(0, why)
        elif self._interruption.why:
            problems.insert(0, f"when it was stopped: {self._interruption.why}")
        if self._overflowed:
            problems.append(f"the disk was too slow: {self._assembly.lost_frames} frames were lost")
        with self._lock:
            if not self._stored:
                self._state = "failed"
                problems = problems or [why or "the microphone gave no sound"]
            else:
                self._state = "incomplete" if problems else "stored"
            if self._assembly.lost_frames and not self._overflowed:
                problems.append(f"{self._assembly.lost_frames} frames were lost by the microphone")
            self._detail = "; ".join(problems) or why
        self._told("ended", self)
        self.finished.set()
