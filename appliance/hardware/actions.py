"""What the button's gestures do: record, keep the last minute, pause listening."""

from __future__ import annotations

import logging
from collections.abc import Callable

from appliance.audio.capture import Capture
from appliance.errors import EarmarkError, InvalidInput
from appliance.library.clips import Clips
from appliance.recording.assembly import LONGEST_S, Part
from appliance.recording.microphones import Microphones
from appliance.recording.privacy import Privacy
from appliance.recording.recorder import Recorder
from appliance.recording.storing import store_part
from appliance.recording.take import DEAD_STATES
from appliance.recording.worker import Worker
from appliance.settings import BoardSettings

log = logging.getLogger(__name__)

AUTHOR = "button"
KEEP_S = 60.0


class Actions:
    """Each returns at once; the work is done on a thread of its own, one after another."""

    def __init__(
        self,
        settings: BoardSettings,
        microphones: Microphones,
        recorder: Recorder,
        clips: Clips,
        privacy: Privacy,
    ) -> None:
        self._settings = settings
        self._microphones = microphones
        self._recorder = recorder
        self._clips = clips
        self._privacy = privacy
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
        present = [
            view.id for view in self._microphones.all() if view.status.state not in DEAD_STATES
        ]
        begun = self._recorder.begin(present, self._settings.button_record_s, author=AUTHOR)
        self._recordings = [recording.id for recording in begun]

    def keep(self) -> list[int]:
        """Keep the last minute: clips that lie in it are marked, and what the microphones'
        memories hold becomes marked clips. Their ids."""
        ids = set(self._clips.keeping.since(KEEP_S))
        for view in self._microphones.all():
            try:
                capture = self._microphones.capture(view.id)
            except EarmarkError:
                continue  # disabled: it heard nothing
            if (clip := self._store_memory(capture)) is not None:
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
        return store_part(self._clips, part, source="recording", session=session, author=AUTHOR).id

    def _submitted(self, action: Callable[[], object]) -> Callable[[], object]:
        def do() -> None:
            try:
                action()
            except EarmarkError as error:
                log.warning("the button's %s: %s", action.__name__, error)

        return lambda: self._worker.submit(do)
