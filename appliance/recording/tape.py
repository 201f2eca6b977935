"""One microphone's way into its history: chunks in, complete minutes out.

`hear` runs on the capture's thread and only puts a chunk aside; the rest is done on the thread of
the history. Sound that waits for a disk which is stuck is dropped: a gap in the history is better
than one in a recording.
"""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

import numpy as np

from appliance import clock
from appliance.audio.capture import Capture
from appliance.audio.flac import write_flac
from appliance.audio.resample import StreamResampler
from appliance.audio.source import Chunk, Samples
from appliance.library.speech_filter import SpeechFilter
from appliance.paths import fsync_file
from appliance.recording.minutes import RATE, UNFINISHED, file_name, make_folder, minutes_in

log = logging.getLogger(__name__)

MINUTE_S = 60.0
# Shorter ends of sound are not worth a file.
SHORTEST_S = 0.5
WAITING_LIMIT_S = 30.0


class Tape:
    def __init__(self, root: Path, capture: Capture, speech: SpeechFilter) -> None:
        self.capture = capture
        self._speech = speech
        self.folder = make_folder(root, capture.id)
        for left in self.folder.glob(f"{UNFINISHED}*"):
            left.unlink()
        known = minutes_in(self.folder)
        self._number = known[-1].number if known else 0
        self._lock = threading.Lock()
        self._inbox: deque[Chunk] = deque()
        self._waiting_s = 0.0
        self._recording = False
        self._last: Chunk | None = None
        self._resampler: StreamResampler | None = None
        self._first_frame = 0  # the microphone's frame of output sample 0 of this stream
        self._held: list[Samples] = []
        self._held_count = 0
        self._done = 0  # output samples of this stream that are written, or were dropped
        self._follows = False
        self._unsubscribe: Callable[[], None] = capture.subscribe(self.hear)

    # --- on the capture's thread ---------------------------------------------------------------

    def hear(self, chunk: Chunk) -> None:
        with self._lock:
            if not self._recording:
                return
            self._inbox.append(chunk)
            self._waiting_s += len(chunk.samples) / chunk.rate
            while self._waiting_s > WAITING_LIMIT_S:
                dropped = self._inbox.popleft()
                self._waiting_s -= len(dropped.samples) / dropped.rate

    # --- on the history's thread ---------------------------------------------------------------

    def record(self, on: bool) -> None:
        """Keep what comes, or let it pass. What came before stays to be written."""
        with self._lock:
            self._recording = on

    def work(self) -> None:
        """Write the minutes that are complete. Raises OSError, and the sound of that minute is
        gone then."""
        with self._lock:
            chunks, self._waiting_s = list(self._inbox), 0.0
            self._inbox.clear()
        for chunk in chunks:
            self._take(chunk)
            while self._held_count >= MINUTE_S * RATE:
                self._write(round(MINUTE_S * RATE))

    def cut(self) -> None:
        """Write what is held now, however short; what comes goes on from there."""
        self.work()
        if self._held_count >= SHORTEST_S * RATE:
            self._write(self._held_count)

    def end(self) -> None:
        """As `cut`, and nothing goes on from there."""
        self.cut()
        self._begin_anew()

    def drop(self) -> None:
        """Forget what is held."""
        with self._lock:
            self._inbox.clear()
            self._waiting_s = 0.0
        self._begin_anew()

    def close(self) -> None:
        self._unsubscribe()
        self.end()

    def _begin_anew(self) -> None:
        self._last, self._resampler = None, None
        self._held, self._held_count, self._done = [], 0, 0
        self._follows = False

    def _take(self, chunk: Chunk) -> None:
        last = self._last
        if last is not None and (
            chunk.stream != last.stream
            or chunk.rate != last.rate
            or chunk.frame != last.end_frame
            or chunk.speed != last.speed
        ):
            if self._held_count >= SHORTEST_S * RATE:
                self._write(self._held_count)
            self._begin_anew()
        if self._resampler is None:
            self._resampler = StreamResampler(chunk.rate, RATE)
            self._first_frame = chunk.frame
        self._last = chunk
        made = self._resampler.push(chunk.samples)
        if len(made):
            self._held.append(made)
            self._held_count += len(made)

    def _write(self, count: int) -> None:
        """The first `count` samples that are held, as one file; none when speech is in them."""
        last = self._last
        assert last is not None
        held = np.concatenate(self._held)
        samples, rest = held[:count], held[count:]
        frame = self._first_frame + round(self._done * last.rate / RATE)
        self._held, self._held_count = ([rest] if len(rest) else []), len(rest)
        self._done += count
        follows, self._follows = self._follows, False
        if self._speech.drops("history", self.capture.id, samples, RATE):
            return
        number, self._number = self._number + 1, self._number + 1
        stamp = clock.stamp_at(last.moment_ns(frame))
        target = self.folder / file_name(number, stamp, count / RATE, follows, last.speed)
        make_folder(self.folder.parent, self.capture.id)  # a person may have removed it
        unfinished = self.folder / f"{UNFINISHED}{number}"
        write_flac(samples, RATE, unfinished, identify=False)
        fsync_file(unfinished)
        unfinished.rename(target)
        self._follows = True
