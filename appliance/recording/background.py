"""Background on request: so many samples, gathered over a time while nothing else sounds."""

from __future__ import annotations

import itertools
import logging
import math
import random
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from appliance.audio.capture import Capture
from appliance.audio.capture_state import STREAMING
from appliance.audio.source import Chunk
from appliance.errors import EarmarkError, InvalidInput, NotFound
from appliance.events import Event, EventBus
from appliance.library.clips import Clips
from appliance.library.names import label_name
from appliance.recording.assembly import LONGEST_S, Part
from appliance.recording.gathering import Gathering, plan_starts
from appliance.recording.microphones import Microphones
from appliance.recording.storing import SessionChain, store_part
from appliance.recording.worker import Worker

log = logging.getLogger(__name__)

MOST_SAMPLES = 1000
LONGEST_OVER_S = 7 * 86_400.0
KEPT = 50


@dataclass(frozen=True)
class BackgroundTask:
    """A gathering as people see it.

    state: "gathering", "done", "cancelled" or "incomplete" (it ended before its time; `detail`
    says why). gathered: samples so far, each a clip of its own; skipped: attempts that were dropped
    because something rose above the background, somebody spoke, or the very same samples are one of
    its clips already; next_in_s: until the next sample, in seconds of sound. While a microphone
    gives none, or nothing but one value, it waits, and `detail` says so.
    """

    id: int
    microphone: str
    samples: int
    over_s: float
    seconds: float
    label: str | None
    author: str
    state: str
    detail: str
    started_at: float
    gathered: int
    skipped: int
    elapsed_s: float
    next_in_s: float | None
    clips: list[int]


class Background:
    """Thread-safe. Tasks live until the daemon stops; what they stored stays."""

    def __init__(self, microphones: Microphones, clips: Clips, bus: EventBus) -> None:
        self._microphones = microphones
        self._clips = clips
        self._bus = bus
        self._ids = itertools.count(1)
        self._rng = random.Random()
        self._lock = threading.Lock()
        self._tasks: dict[int, _Task] = {}
        self._sessions = SessionChain(clips, "background")
        self._worker = Worker("background")
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        self._worker.start()
        self._unsubscribe = self._bus.subscribe(self._microphone_changed)

    def stop(self) -> None:
        self._unsubscribe()
        for task in self._unfinished():
            task.end("incomplete", "the daemon stopped")
        self._worker.stop()

    def begin(
        self,
        microphone: str,
        samples: int,
        over_s: float,
        seconds: float = 5.0,
        label: str | None = None,
        author: str = "",
        suggested: str | None = None,
    ) -> BackgroundTask:
        """Gather `samples` clips of `seconds`, spread over `over_s`; with `label` when given, else
        into the inbox, where `suggested` is what a person may confirm.

        Raises NotFound, InvalidInput, MicrophoneError (disabled). A microphone that is missing
        now is waited for.
        """
        _check(samples, over_s, seconds)
        view = self._microphones.get(microphone)
        capture = self._microphones.capture(view.id)
        starts = plan_starts(samples, over_s, seconds, self._rng)
        task = _Task(
            next(self._ids),
            capture,
            Gathering(starts, seconds),
            over_s,
            None if label is None else label_name(label),
            author,
            suggested,
            self._store,
            self._tell,
        )
        with self._lock:
            self._tasks[task.id] = task
            over = [key for key, one in self._tasks.items() if one.state != "gathering"]
            for key in over[: max(0, len(self._tasks) - KEPT)]:
                del self._tasks[key]
        task.begin()
        self._tell("started", task)
        return task.view()

    def cancel(self, identifier: int) -> BackgroundTask:
        """End it; what was gathered stays. Raises NotFound."""
        task = self._task(identifier)
        task.end("cancelled", "")
        return task.view()

    def get(self, identifier: int) -> BackgroundTask:
        return self._task(identifier).view()

    def all(self) -> list[BackgroundTask]:
        """The newest first."""
        with self._lock:
            tasks = list(self._tasks.values())
        return [task.view() for task in reversed(tasks)]

    def _task(self, identifier: int) -> _Task:
        with self._lock:
            task = self._tasks.get(identifier)
        if task is None:
            raise NotFound(f"there is no gathering {identifier}")
        return task

    def _unfinished(self) -> list[_Task]:
        with self._lock:
            return [task for task in self._tasks.values() if task.state == "gathering"]

    def _microphone_changed(self, event: Event) -> None:
        if event.topic != "microphone":
            return
        view = event.data["microphone"]
        over = event.data["what"] == "state" and view["status"]["state"] == "ended"
        for task in self._unfinished():
            if task.capture.id != view["id"]:
                continue
            if over:
                task.end("incomplete", "the replay is over")
            elif event.data["what"] != "state" and not _captured_by(self._microphones, task):
                task.end("incomplete", "its microphone was disabled or removed")

    def _store(self, task: _Task, part: Part) -> None:
        self._worker.submit(lambda: self._store_now(task, part))

    def _store_now(self, task: _Task, part: Part) -> None:
        try:
            clip = store_part(
                self._clips,
                part,
                source="background",
                session=self._sessions.session(part.captured_ns, part.microphone),
                label=task.label,
                author=task.author,
                extra={} if task.suggested is None else {"suggested": task.suggested},
            )
        except EarmarkError as error:
            log.error("a background sample could not be stored: %s", error)
            task.end("incomplete", f"a sample could not be stored: {error}")
            return
        if clip is None or not task.is_new(clip.id):
            task.dropped()
        else:
            task.stored(clip.id)

    def _tell(self, what: str, task: _Task) -> None:
        self._bus.publish("recording", {"what": what, "background": asdict(task.view())})


class _Task:
    """`_hear` runs on the capture's thread, `stored` on the worker's."""

    def __init__(
        self,
        identifier: int,
        capture: Capture,
        gathering: Gathering,
        over_s: float,
        label: str | None,
        author: str,
        suggested: str | None,
        store: Callable[[_Task, Part], None],
        tell: Callable[[str, _Task], None],
    ) -> None:
        self.id = identifier
        self.capture = capture
        self.label = label
        self.author = author
        self.suggested = suggested
        self.state = "gathering"
        self._gathering = gathering
        self._over_s = over_s
        self._store = store
        self._tell = tell
        self._detail = ""
        self._clips: list[int] = []
        self._started_at = time.time()
        self._lock = threading.Lock()
        self._unsubscribe: Callable[[], None] = lambda: None

    def begin(self) -> None:
        self._unsubscribe = self.capture.subscribe(self._hear)

    def _hear(self, chunk: Chunk) -> None:
        with self._lock:
            parts = self._gathering.push(chunk) if self.state == "gathering" else []
        for part in parts:
            self._store(self, part)

    def is_new(self, clip: int) -> bool:
        """Equal sound is one clip: a looped replay may give one again."""
        with self._lock:
            return clip not in self._clips

    def stored(self, clip: int) -> None:
        with self._lock:
            self._clips.append(clip)
            complete = len(self._clips) >= len(self._gathering.starts)
        if complete:
            self.end("done", "")
        else:
            self._tell("clip", self)

    def dropped(self) -> None:
        with self._lock:
            self._gathering.again()

    def end(self, state: str, detail: str) -> None:
        self._unsubscribe()
        with self._lock:
            if self.state != "gathering":
                return
            self.state, self._detail = state, detail
        self._tell("ended", self)

    def view(self) -> BackgroundTask:
        status = self.capture.status()
        with self._lock:
            detail = self._detail
            # The capture takes longer to call a microphone silent than a sample may last.
            heard = status.state if status.state not in STREAMING else self._gathering.heard
            if self.state == "gathering" and heard not in ("running", "starting"):
                detail = f"waiting: the microphone is {heard}"
            return BackgroundTask(
                id=self.id,
                microphone=self.capture.id,
                samples=len(self._gathering.starts),
                over_s=self._over_s,
                seconds=self._gathering.seconds,
                label=self.label,
                author=self.author,
                state=self.state,
                detail=detail,
                started_at=self._started_at,
                gathered=len(self._clips),
                skipped=self._gathering.skipped,
                elapsed_s=round(self._gathering.elapsed_s, 1),
                next_in_s=self._gathering.next_in_s if self.state == "gathering" else None,
                clips=list(self._clips),
            )


def _captured_by(microphones: Microphones, task: _Task) -> bool:
    try:
        return microphones.capture(task.capture.id) is task.capture
    except EarmarkError:
        return False


def _check(samples: int, over_s: float, seconds: float) -> None:
    if not 1 <= samples <= MOST_SAMPLES:
        raise InvalidInput(f"{samples} samples are not possible", f"give 1 to {MOST_SAMPLES}")
    if not (math.isfinite(seconds) and 0.5 <= seconds <= LONGEST_S):
        raise InvalidInput(
            f"background of {seconds:g} s is not possible", f"give 0.5 to {LONGEST_S:g} seconds"
        )
    if not (math.isfinite(over_s) and 0 <= over_s <= LONGEST_OVER_S):
        raise InvalidInput(f"{over_s:g} s is not possible", "give up to 7 days, in seconds")
