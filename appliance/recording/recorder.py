"""Recording on request: for so many seconds or until stopped, one microphone or several at once.

A recording longer than a minute becomes consecutive clips of one session, each stored as soon as
it is full, so that a power cut costs the last minute at most.
"""

from __future__ import annotations

import itertools
import logging
import math
import threading
from collections.abc import Sequence
from dataclasses import asdict

from appliance.audio.capture_state import DEAD
from appliance.errors import InvalidInput, MicrophoneError, NotFound
from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.library.names import label_name
from appliance.recording.microphones import Microphones
from appliance.recording.take import Order, Recording, Take
from appliance.recording.worker import Worker

log = logging.getLogger(__name__)

KEPT = 200
LONGEST_S = 24 * 3600.0
STORED_WITHIN_S = 30.0


class Recorder:
    """Thread-safe. Recordings are remembered until the daemon stops; their clips stay."""

    def __init__(self, microphones: Microphones, clips: Clips, bus: EventBus) -> None:
        self._microphones = microphones
        self._clips = clips
        self._bus = bus
        self._ids = itertools.count(1)
        self._lock = threading.Lock()
        self._takes: dict[int, Take] = {}
        self._worker = Worker("recorder", tick=self._watch)

    def start(self) -> None:
        self._worker.start()

    def stop(self) -> None:
        """End every recording and store what was recorded."""
        for take in self._running():
            take.end("the daemon stopped", early=take.order.seconds is not None)
        self._worker.stop()

    def begin(
        self,
        microphones: Sequence[str],
        seconds: float | None = None,
        label: str | None = None,
        pre_roll_s: float = 0.0,
        author: str = "",
        source: str = "recording",
    ) -> list[Recording]:
        """Record now, `seconds` long or until `finish`; several microphones are one session.

        microphones: ids or names. The pre-roll comes on top of the seconds, as far back as the
        microphone's memory reaches. Raises InvalidInput, NotFound, and MicrophoneError when one of
        the microphones is not there: then none records.
        """
        _check(seconds, pre_roll_s)
        if label is not None:
            label = label_name(label)
        views = {view.id: view for view in map(self._microphones.get, microphones)}
        if not views:
            raise InvalidInput("no microphone was named", "name one that `earmark devices` lists")
        for view in views.values():
            if view.status.state in DEAD:
                raise MicrophoneError(
                    f"the microphone {view.name} is {view.status.state}"
                    + (f": {view.status.detail}" if view.status.detail else ""),
                    view.status.advice or "see `earmark devices`",
                )
        captures = [self._microphones.capture(identifier) for identifier in views]
        only = next(iter(views)) if len(views) == 1 else None
        order = Order(
            seconds=seconds,
            label=label,
            pre_roll_s=pre_roll_s,
            author=author,
            source=source,
            session=self._clips.new_session(None, source, only),
        )
        takes = [
            Take(next(self._ids), capture, order, self._clips, self._worker, self._tell)
            for capture in captures
        ]
        with self._lock:
            for take in takes:
                self._takes[take.id] = take
            self._forget()
        for take in takes:
            take.begin()
        # The worker sleeps while nothing records; this wakes its watch.
        self._worker.submit(lambda: self._started(takes))
        return [take.view() for take in takes]

    def finish(self, identifier: int) -> Recording:
        """Stop a recording; returns when the rest is stored (or after 30 s, "storing")."""
        take = self._take(identifier)
        take.end()
        take.finished.wait(STORED_WITHIN_S)
        return take.view()

    def get(self, identifier: int) -> Recording:
        return self._take(identifier).view()

    def all(self) -> list[Recording]:
        """The newest first; those that go on and the last 200."""
        with self._lock:
            takes = list(self._takes.values())
        return [take.view() for take in reversed(takes)]

    def active(self) -> list[Recording]:
        """Those that record or are being stored."""
        return [take.view() for take in self._running()]

    def _take(self, identifier: int) -> Take:
        with self._lock:
            take = self._takes.get(identifier)
        if take is None:
            raise NotFound(
                f"there is no recording {identifier}", "its clips are in `earmark clips` by session"
            )
        return take

    def _running(self) -> list[Take]:
        with self._lock:
            return [take for take in self._takes.values() if not take.finished.is_set()]

    def _forget(self) -> None:
        finished = [key for key, take in self._takes.items() if take.finished.is_set()]
        for key in finished[: max(0, len(self._takes) - KEPT)]:
            del self._takes[key]

    def _watch(self) -> bool:
        running = self._running()
        for take in running:
            take.check()
        return bool(running)

    def _started(self, takes: Sequence[Take]) -> None:
        for take in takes:
            self._tell("started", take)

    def _tell(self, what: str, take: Take) -> None:
        recording = take.view()
        if what == "ended":
            log.info(
                "recording %d of %s: %s, %d clips%s",
                recording.id,
                recording.microphone,
                recording.state,
                len(recording.clips),
                f" ({recording.detail})" if recording.detail else "",
            )
        self._bus.publish("recording", {"what": what, "recording": asdict(recording)})


def _check(seconds: float | None, pre_roll_s: float) -> None:
    if seconds is not None and not (math.isfinite(seconds) and 0.1 <= seconds <= LONGEST_S):
        raise InvalidInput(
            f"a recording of {seconds:g} s is not possible", f"give 0.1 to {LONGEST_S:.0f} seconds"
        )
    if not 0 <= pre_roll_s <= 120:
        raise InvalidInput(f"a pre-roll of {pre_roll_s:g} s is not possible", "give 0 to 120 s")
