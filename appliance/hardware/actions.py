"""What the button's gestures do: record, keep the last minute, pause listening."""

from __future__ import annotations

import logging
from collections.abc import Callable

from appliance import clock
from appliance.audio.capture import Capture
from appliance.audio.capture_state import DEAD
from appliance.errors import EarmarkError, InvalidInput
from appliance.library.clips import Clips
from appliance.recording.assembly import LONGEST_S, Part
from appliance.recording.history import History
from appliance.recording.microphones import Microphones
from appliance.recording.minutes import Minute
from appliance.recording.privacy import Privacy
from appliance.recording.recorder import Recorder
from appliance.recording.storing import store_part
from appliance.recording.worker import Worker
from appliance.settings import BoardSettings

log = logging.getLogger(__name__)

AUTHOR = "button"
KEEP_S = 60.0
# A history that ends further back does not have the last minute: it is off, or was paused.
FRESH_S = 10.0


class Actions:
    """Each returns at once; the work is done on a thread of its own, one after another."""

    def __init__(
        self,
        settings: BoardSettings,
        microphones: Microphones,
        recorder: Recorder,
        clips: Clips,
        privacy: Privacy,
        history: History,
    ) -> None:
        self._settings = settings
        self._microphones = microphones
        self._recorder = recorder
        self._clips = clips
        self._privacy = privacy
        self._history = history
        self._recordings: list[int] = []
        self._worker = Worker("button's work")

    def by_gesture(self) -> dict[str, Callable[[], object]]:
        """What the settings bind to each gesture. Raises InvalidInput for an action that there
        is not."""
        known: dict[str, Callable[[], object]] = {
            "record": self.record,
            "keep": self.keep,
            "pause": self.pause,
        }
        bound: dict[str, Callable[[], object]] = {}
        for gesture in ("press", "double", "long"):
            name = getattr(self._settings, f"button_{gesture}").strip().lower()
            if name in known:
                bound[gesture] = self._submitted(known[name])
            elif name not in ("", "none"):
                raise InvalidInput(
                    f"board.button_{gesture} is {name[:40]!r}, which is nothing a button can do",
                    f"one of {', '.join(known)}, none",
                )
        return bound

    def start(self) -> None:
        self._worker.start()

    def stop(self) -> None:
        self._worker.stop()

    def record(self) -> None:
        """Record from every microphone that is there; if that goes on already, end it."""
        active = {recording.id for recording in self._recorder.active()}
        mine = [identifier for identifier in self._recordings if identifier in active]
        self._recordings = []
        if mine:
            for identifier in mine:
                self._recorder.finish(identifier)
            return
        present = [view.id for view in self._microphones.all() if view.status.state not in DEAD]
        begun = self._recorder.begin(present, self._settings.button_record_s, author=AUTHOR)
        self._recordings = [recording.id for recording in begun]

    def keep(self) -> list[int]:
        """Keep the last minute: clips that lie in it are marked, and what each microphone heard
        becomes a marked clip: from the history, or without one from the microphone's memory, as
        far back as that goes (`audio.ring_s`). Their ids."""
        ids = set(self._clips.keeping.since(KEEP_S))
        self._history.flush()
        for view in self._microphones.all():
            try:
                capture = self._microphones.capture(view.id)
            except EarmarkError:
                continue  # disabled: it heard nothing
            clip = self._cut_history(capture.id) or self._store_memory(capture)
            if clip is not None:
                ids.add(clip)
        self._clips.keeping.set(sorted(ids), True)
        log.info("the last minute is kept: %d clips", len(ids))
        return sorted(ids)

    def pause(self) -> None:
        """Listen no more, or again."""
        if self._privacy.state().paused:
            self._privacy.resume(AUTHOR)
        else:
            self._privacy.pause(author=AUTHOR)

    def _cut_history(self, microphone: str) -> int | None:
        """The clip of its last minute, None when the history does not have it."""
        minutes = self._history.minutes().get(microphone, [])
        if not minutes or _age_s(minutes[-1]) > FRESH_S:
            return None
        first, length = minutes[-1], minutes[-1].seconds
        if len(minutes) > 1 and first.follows and minutes[-2].number == first.number - 1:
            first, length = minutes[-2], length + minutes[-2].seconds
        start = max(0.0, length - KEEP_S)
        return self._history.cut(microphone, first.number, start, length, None, AUTHOR).id

    def _store_memory(self, capture: Capture) -> int | None:
        sound = capture.ring.last(min(KEEP_S, LONGEST_S))
        if len(sound.samples) == 0:
            return None
        part = Part(
            microphone=capture.id,
            samples=sound.samples,
            rate=sound.rate,
            stream=sound.stream,
            frame=sound.frame,
            captured_ns=sound.captured_ns,
            start_s=0.0,
            lost_frames=0,
        )
        session = self._clips.new_session(None, "recording", capture.id)
        clip = store_part(self._clips, part, source="recording", session=session, author=AUTHOR)
        return None if clip is None else clip.id

    def _submitted(self, action: Callable[[], object]) -> Callable[[], object]:
        def do() -> None:
            try:
                action()
            except EarmarkError as error:
                log.warning("the button's %s: %s", action.__name__, error)

        return lambda: self._worker.submit(do)


def _age_s(minute: Minute) -> float:
    """Seconds since its sound ended; without end when that was in an earlier boot."""
    if minute.stamp.boot_id.replace("-", "") != clock.boot_id().replace("-", ""):
        return float("inf")
    ended_ns = minute.stamp.monotonic_ns + minute.seconds / minute.speed * 1e9
    return (clock.monotonic_ns() - ended_ns) / 1e9
