"""The box records by itself what rises above the background: into the inbox, unlabelled.

Per microphone on or off, kept over a restart. Each clip says with its frame number and moment
where in the stream it lies.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from appliance import settings_reading
from appliance.errors import EarmarkError, NotFound
from appliance.events import Event, EventBus
from appliance.library.clips import Clips
from appliance.recording.assembly import Part
from appliance.recording.microphones import Microphones, MicrophoneView
from appliance.recording.storing import SessionChain, store_part
from appliance.recording.watcher import TriggerState, Watcher
from appliance.recording.worker import Worker
from appliance.settings import Settings, TriggerSettings

log = logging.getLogger(__name__)


class Triggers:
    """Thread-safe."""

    def __init__(
        self, microphones: Microphones, clips: Clips, bus: EventBus, settings: Settings
    ) -> None:
        self._microphones = microphones
        self._clips = clips
        self._bus = bus
        self._settings = settings
        self._sessions = SessionChain(clips, "trigger")
        self._worker = Worker("triggers")
        self._lock = threading.Lock()
        self._watchers: dict[str, Watcher] = {}
        self._unsubscribe: Callable[[], None] = lambda: None
        self.no_room: Callable[[], bool] = lambda: False
        """While it is true none begins. To be set before `start`."""

    def start(self) -> None:
        self._worker.start()
        self._unsubscribe = self._bus.subscribe(self._told)
        for view in self._microphones.all():
            self._attach(view.id)

    def stop(self) -> None:
        """Store what is being recorded, and end."""
        self._unsubscribe()
        with self._lock:
            watchers = list(self._watchers.values())
            self._watchers.clear()
        for watcher in watchers:
            watcher.stop()
        self._worker.stop()

    def set(self, key: str, settings: Mapping[str, Any] | None) -> TriggerState:
        """Switch it on with `settings` over the box's own ({} takes those as they are), or off
        with None. Kept over a restart. Raises NotFound, InvalidInput."""
        view = self._microphones.get(key)
        given = None
        if settings is not None:
            given = {name: value for name, value in settings.items() if value is not None}
            self._checked(view, given)
        # The change is told on the bus, and `_told` attaches.
        self._microphones.set_trigger(view.id, given)
        return self.state(view.id)

    def state(self, key: str) -> TriggerState:
        """Raises NotFound."""
        view = self._microphones.get(key)
        with self._lock:
            watcher = self._watchers.get(view.id)
        if watcher is not None:
            return watcher.state(view)
        return TriggerState(
            microphone=view.id,
            name=view.name,
            on=view.trigger is not None,
            settings=asdict(self._checked(view, view.trigger or {})),
            level_dbfs=view.status.level_dbfs,
            background_dbfs=None,
            trigger_dbfs=None,
            recording=False,
            this_hour=0,
            limited=False,
            no_room=self.no_room(),
            missed=0,
            clips=0,
            last_at=None,
        )

    def states(self) -> list[TriggerState]:
        """Of all microphones, by name."""
        return [self.state(view.id) for view in self._microphones.all()]

    def _checked(self, view: MicrophoneView, given: Mapping[str, Any]) -> TriggerSettings:
        origin = f"the trigger of {view.name}"
        made: TriggerSettings = settings_reading.changed(self._settings, "trigger", given, origin)
        return made

    def _told(self, event: Event) -> None:
        if event.topic != "microphone":
            return
        view = event.data["microphone"]
        if event.data["what"] != "state":
            self._attach(view["id"])
        elif view["status"]["state"] == "paused":
            with self._lock:
                watcher = self._watchers.get(view["id"])
            if watcher is not None:
                watcher.cut()

    def _attach(self, identifier: str) -> None:
        """Bring the watcher of one microphone in line with its row."""
        capture = settings = None
        try:
            view = self._microphones.get(identifier)
            if view.trigger is not None and view.enabled:
                settings = self._checked(view, view.trigger)
                capture = self._microphones.capture(identifier)
        except NotFound:
            log.debug("%s is gone, and its trigger with it", identifier)
        except EarmarkError as error:
            log.warning("no trigger for %s: %s", identifier, error)
        with self._lock:
            before = self._watchers.get(identifier)
            if before is not None and before.serves(capture, settings):
                return
            after = None
            if capture is not None and settings is not None:
                after = Watcher(capture, settings, self._store, before, self.no_room)
                self._watchers[identifier] = after
            else:
                self._watchers.pop(identifier, None)
        if before is not None:
            before.stop()
        if after is not None:
            after.begin()

    def _store(self, watcher: Watcher, part: Part, facts: Mapping[str, Any]) -> None:
        """On the reader's thread: hand over."""
        self._worker.submit(lambda: self._store_now(watcher, part, facts))

    def _store_now(self, watcher: Watcher, part: Part, facts: Mapping[str, Any]) -> None:
        stored: bool | None = False
        try:
            session = self._sessions.session(part.captured_ns, part.microphone)
            clip = store_part(self._clips, part, source="trigger", session=session, extra=facts)
            stored = None if clip is None else True
            if clip is not None:
                told = {"what": "triggered", "microphone": part.microphone, "clip": clip.id}
                self._bus.publish("recording", told)
        except EarmarkError as error:
            log.error("a triggered recording could not be stored: %s", error)
        finally:
            watcher.stored(stored)
