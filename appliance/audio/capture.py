"""One microphone, watched: a capture child that is started again for ever.

    supervisor thread:  start child -> read blocks -> hand chunks to the ring and the consumers
                              ^                |
                              +-- wait 1..30 s-+  missing, busy, stalled, failed

Every frame is accounted for: by the child's counter within a stream, by CLOCK_BOOTTIME across
streams. The state says what is the matter and the advice what to do; nothing gives up.
"""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from signal import Signals

import numpy as np

from appliance import clock, units
from appliance.audio.capture_process import CaptureProcess
from appliance.audio.capture_state import LIVENESS, TROUBLED, CaptureStatus
from appliance.audio.devices import card_folders
from appliance.audio.level import peak_dbfs, rms_dbfs
from appliance.audio.liveness import Liveness
from appliance.audio.ring import Ring
from appliance.audio.source import Block, Chunk, Samples, StreamFormat, parse_source
from appliance.audio.wire import BlockReader, Ending, WireError

__all__ = ["Capture", "CaptureStatus", "Chunk"]

log = logging.getLogger(__name__)

COMMAND = (sys.executable, "-m", "appliance.audio.capture_child")
STALL_S = 4.0
# Opening may take long: a slow sound server, a cold disk, a Python on a small board.
OPEN_S = 20.0
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0
# A microphone that ran this long begins again with the short wait.
HEALTHY_S = 10.0
_PEAK_FALL_DB_PER_S = 20.0

Consumer = Callable[[Chunk], None]


StateCallback = Callable[[CaptureStatus], None]


class Capture:
    """`start` it once, `stop` it once. Raises InvalidInput for a source that means nothing.

    gain_db and channel (None averages all) may be set while it runs. `on_state` is called on the
    supervisor's thread with the status after each change of state. `turned_ns` is when that thread
    last went through its loop, whatever the microphone does: it stands still only when it hangs.
    """

    def __init__(
        self,
        microphone_id: str,
        source: str,
        *,
        gain_db: float = 0.0,
        channel: int | None = None,
        ring_seconds: float = 10.0,
        on_state: StateCallback | None = None,
        command: Sequence[str] = COMMAND,
    ) -> None:
        parse_source(source)
        self.id = microphone_id
        self.source = source
        self.gain_db = gain_db
        self.channel = channel
        self.ring = Ring(ring_seconds)
        self.child_pid: int | None = None
        self.turned_ns = clock.monotonic_ns()
        self._on_state = on_state
        self._command = tuple(command)
        self._consumers: list[Consumer] = []
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._nudge = threading.Event()  # whoever waits shall look again
        self._paused: tuple[str, str] | None = None
        self._thread: threading.Thread | None = None
        self._status = CaptureStatus("stopped", since=time.time())
        self._retry_at = 0.0
        self._stream = 0
        # Where the last stream ended: CLOCK_BOOTTIME.
        self._end_ns: int | None = None

    def start(self) -> None:
        if self._thread is not None:
            raise RuntimeError("a capture is started only once")
        self._thread = threading.Thread(target=self._run, name=f"capture {self.id}", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """End the child and the thread; returns when both are gone."""
        self._stop.set()
        self._nudge.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def pause(self, detail: str, advice: str = "") -> None:
        """Hear nothing until `resume`: no chunk comes any more, the child is ended, so that the
        device is closed, and the ring forgets. Consumers stay subscribed. Any thread, any time."""
        self._paused = (detail, advice)
        self._nudge.set()

    def resume(self) -> None:
        self._paused = None
        self._nudge.set()

    def retry(self) -> None:
        """Try at once, instead of waiting for the next attempt: something was plugged in."""
        self._nudge.set()

    def subscribe(self, consumer: Consumer) -> Callable[[], None]:
        """Call `consumer` with every chunk from now on, on the supervisor's thread; it must
        return fast. The returned function ends that."""
        with self._lock:
            self._consumers.append(consumer)

        def unsubscribe() -> None:
            with self._lock:
                if consumer in self._consumers:
                    self._consumers.remove(consumer)

        return unsubscribe

    def status(self) -> CaptureStatus:
        with self._lock:
            status = self._status
            retry = max(0.0, self._retry_at - clock.seconds()) if self._retry_at else None
        return replace(status, retry_in_s=retry)

    def _run(self) -> None:
        wait_s = FIRST_WAIT_S
        self._set("starting", "the microphone is being opened")
        while not self._stop.is_set():
            if self._is_paused():
                self._rest()
                wait_s = FIRST_WAIT_S
                continue
            # The state stays what it was ("missing") until sound comes, rather than flicker.
            began = clock.seconds()
            try:
                ending = self._one_child()
            except Exception as error:
                # Whatever it was: a microphone is tried for ever.
                log.exception("the capture of %s failed", self.id)
                ending = Ending("failed", str(error), "see the daemon's log")
            if self._stop.is_set():
                break
            if self._is_paused():
                continue
            if ending.state == "ended":
                self._set("ended", ending.message, ending.advice)
                self._idle_until(self._stop.is_set)
                break
            wait_s = FIRST_WAIT_S if clock.seconds() - began > HEALTHY_S else wait_s
            with self._lock:
                self._retry_at = clock.seconds() + wait_s
                self._status = replace(self._status, restarts=self._status.restarts + 1)
            self._set(ending.state, ending.message, ending.advice)
            plugged = self._wait(wait_s)
            with self._lock:
                self._retry_at = 0.0
            wait_s = FIRST_WAIT_S if plugged else min(2 * wait_s, LONGEST_WAIT_S)
        self._set("stopped", "")

    def _is_paused(self) -> bool:
        return self._paused is not None

    def _rest(self) -> None:
        """Paused, until somebody resumes."""
        while not self._stop.is_set() and (paused := self._paused) is not None:
            self.ring.clear()
            self._set("paused", *paused)
            self._idle_until(lambda: self._stop.is_set() or self._paused is not paused)
        # What was not wanted is not lost.
        self._end_ns = None
        if not self._stop.is_set():
            self._set("starting", "the microphone is being opened")

    def _idle_until(self, over: Callable[[], bool]) -> None:
        while not over():
            self.turned_ns = clock.monotonic_ns()
            self._nudge.wait(1.0)
            self._nudge.clear()

    def _wait(self, wait_s: float) -> bool:
        """Wait before the next attempt; less, and True, when a sound card comes or goes."""
        cards = card_folders()
        until = clock.seconds() + wait_s
        while not self._stop.is_set() and (rest := until - clock.seconds()) > 0:
            self.turned_ns = clock.monotonic_ns()
            nudged = self._nudge.wait(min(rest, 1.0))
            self._nudge.clear()
            if self._is_paused():
                return False
            if nudged or card_folders() != cards:
                # A card is there before its devices can be opened.
                self._stop.wait(0.5)
                return True
        return False

    def _one_child(self) -> Ending:
        """Run one child to its end and say why it ended."""
        child = CaptureProcess((*self._command, json.dumps({"source": self.source})))
        self.child_pid = child.pid
        try:
            ending = self._read(BlockReader(child.blocks), child)
            if ending is not None:
                return ending
            status = child.wait(2.0)
            words = child.last_words()
        finally:
            self.child_pid = None
            child.end()
        how = f"status {status}" if status is None or status >= 0 else Signals(-status).name
        log.warning("the capture child of %s ended by itself (%s): %s", self.id, how, words)
        return Ending(
            "failed",
            f"the capture process ended by itself ({how})",
            words or "it is started again by itself; see the daemon's log",
        )

    def _read(self, reader: BlockReader, child: CaptureProcess) -> Ending | None:
        """Handle messages until the child ends; None when it ended without a word."""
        stream = _Stream()
        heard = clock.seconds()
        while not self._stop.is_set() and not self._is_paused():
            self.turned_ns = clock.monotonic_ns()
            try:
                # Woken often enough to notice `stop`, seldom enough to cost nothing.
                message = reader.next(0.25)
            except EOFError:
                return None
            except WireError as error:
                return Ending("failed", f"the capture process talks nonsense: {error}", "")
            child.listen()
            if message is None:
                limit = STALL_S if stream.rate else OPEN_S
                if clock.seconds() - heard > limit:
                    return self._stalled(stream, limit)
                continue
            heard = clock.seconds()
            if self._is_paused():
                break
            if isinstance(message, Ending):
                return message
            if isinstance(message, StreamFormat):
                stream = self._opened(message)
            else:
                self._block(stream, message)
        return Ending("stopped", "", "")

    @staticmethod
    def _stalled(stream: _Stream, limit: float) -> Ending:
        what = "gives no sound" if stream.rate else "does not open"
        return Ending(
            "stalled",
            f"the microphone {what}: nothing came for {limit:g} s",
            "it is opened anew by itself; if this stays, unplug it and plug it in again",
        )

    def _opened(self, form: StreamFormat) -> _Stream:
        self._stream += 1
        with self._lock:
            self._status = replace(self._status, rate=form.rate, channels=form.channels)
        return _Stream(self._stream, form.rate, form.channels, form.speed)

    def _block(self, stream: _Stream, block: Block) -> None:
        frames = len(block.samples)
        if frames == 0:
            return
        away_s = self._away_before(stream, block)
        lost = self._lost_before(stream, block)
        gap = lost + round(away_s * stream.rate * stream.speed)
        stream.expected = block.frame + frames
        samples = self._mono(block.samples)
        state = stream.liveness.push(block.samples, frames / stream.rate)
        chunk = Chunk(
            self.id,
            stream.number,
            stream.rate,
            samples,
            block.frame,
            block.captured_ns,
            gap,
            stream.speed,
        )
        self._end_ns = chunk.moment_ns(chunk.end_frame)
        self._meter(chunk, lost, away_s)
        self._set(state, *LIVENESS[state])
        self.ring.append(chunk)
        with self._lock:
            consumers = list(self._consumers)
        for consumer in consumers:
            try:
                consumer(chunk)
            except Exception:
                log.exception("a consumer of %s failed", self.id)

    def _away_before(self, stream: _Stream, block: Block) -> float:
        """Seconds since the stream before, when this is the first block of a later one."""
        if stream.expected is not None or self._end_ns is None:
            return 0.0
        return max(0.0, (block.captured_ns - self._end_ns) / 1e9)

    @staticmethod
    def _lost_before(stream: _Stream, block: Block) -> int:
        # The counter is the judge; what the child says about its losses only has to agree.
        return max(0, block.frame - (stream.expected or 0))

    def _mono(self, samples: Samples) -> Samples:
        """The chosen channel or the average, with gain, clipped; read-only."""
        channel = self.channel
        mono: Samples
        if channel is not None and channel < samples.shape[1]:
            mono = samples[:, channel].copy()
        elif samples.shape[1] == 1:
            mono = samples[:, 0].copy()
        else:
            mono = np.mean(samples, axis=1, dtype=np.float32)
        if self.gain_db:
            mono *= np.float32(units.amplitude(self.gain_db))
            np.clip(mono, -1.0, 1.0, out=mono)
        mono.flags.writeable = False
        return mono

    def _meter(self, chunk: Chunk, lost: int, away_s: float) -> None:
        level, peak = rms_dbfs(chunk.samples), peak_dbfs(chunk.samples)
        fall = _PEAK_FALL_DB_PER_S * len(chunk.samples) / chunk.rate
        with self._lock:
            status = self._status
            self._status = replace(
                status,
                frames=status.frames + len(chunk.samples),
                lost_frames=status.lost_frames + lost,
                away_s=status.away_s + away_s,
                level_dbfs=level,
                peak_dbfs=max(peak, status.peak_dbfs - fall),
            )
        if lost:
            log.warning("%s lost %d frames before frame %d", self.id, lost, chunk.frame)
        if away_s:
            log.info("%s gives sound again; it was away for %.1f s", self.id, away_s)

    def _set(self, state: str, detail: str, advice: str = "") -> None:
        with self._lock:
            before = self._status
            if (before.state, before.detail) == (state, detail):
                return
            after = replace(before, state=state, detail=detail, advice=advice, since=time.time())
            if state not in LIVENESS:
                silence = units.SILENCE_DBFS
                after = replace(after, level_dbfs=silence, peak_dbfs=silence)
            self._status = after
        (log.warning if state in TROUBLED else log.info)(
            "microphone %s: %s %s", self.id, state, detail
        )
        if self._on_state is not None:
            try:
                self._on_state(self.status())
            except Exception:
                log.exception("the state callback of %s failed", self.id)


class _Stream:
    """What is known of the present stream; rate 0 while the child is still opening."""

    def __init__(self, number: int = 0, rate: int = 0, channels: int = 0, speed: float = 1) -> None:
        self.number = number
        self.rate = rate
        self.channels = channels
        self.speed = speed
        self.expected: int | None = None
        self.liveness = Liveness()
