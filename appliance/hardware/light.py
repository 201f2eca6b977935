"""Which state the light shows: the one that a person must know of first."""

from __future__ import annotations

from collections.abc import Callable

from appliance.audio.capture_state import TROUBLED
from appliance.events import Event, EventBus
from appliance.jobs.job import PAUSED, RUNNING, STARTING
from appliance.jobs.queue import Queue
from appliance.models.deploy import Deployments
from appliance.periodic import Periodic
from appliance.recording.microphones import Microphones
from appliance.recording.privacy import Privacy
from appliance.recording.recorder import Recorder
from firmware_hooks.led import Blinker

EVERY_S = 5.0


class LightKeeper:
    """Keeps the light true: after each event, and every five seconds."""

    def __init__(
        self,
        blinker: Blinker,
        bus: EventBus,
        *,
        microphones: Microphones,
        recorder: Recorder,
        queue: Queue,
        deployments: Deployments,
        privacy: Privacy,
        trouble: Callable[[], bool],
    ) -> None:
        """trouble: whether something else needs attention: space, a hung loop."""
        self.blinker = blinker
        self._bus = bus
        self._microphones = microphones
        self._recorder = recorder
        self._queue = queue
        self._deployments = deployments
        self._privacy = privacy
        self._trouble = trouble
        self._periodic = Periodic("light's state", self._show, EVERY_S)
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        self.blinker.start()
        self._unsubscribe = self._bus.subscribe(self._told)
        self._periodic.start()

    def stop(self) -> None:
        """Dark when this returns."""
        self._unsubscribe()
        self._periodic.stop()
        self.blinker.stop()

    def state(self) -> str:
        """The pattern that is due now."""
        if self._privacy.state().paused:
            return "paused"
        if self._recorder.active():
            return "recording"
        views = [view for view in self._microphones.all() if view.enabled]
        deployment = self._deployments.current()
        broken = deployment is not None and bool(deployment.problem)
        if broken or self._trouble() or any(view.status.state in TROUBLED for view in views):
            return "attention"
        job = self._queue.current()
        if job is not None and job.state in (STARTING, RUNNING, PAUSED):
            return "training"
        hears = any(view.listen and view.status.state == "running" for view in views)
        return "listening" if deployment is not None and hears else "idle"

    def _told(self, event: Event) -> None:
        if event.topic != "hearing":
            self._periodic.wake()

    def _show(self) -> None:
        self.blinker.show(self.state())
