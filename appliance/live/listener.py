"""Listening: every microphone that shall be listened to, with the version that is deployed.

It needs nobody's help after a restart: microphones, gains, thresholds and the deployment come
from the database.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from appliance import clock
from appliance.errors import EarmarkError
from appliance.events import Event, EventBus
from appliance.live.decision import Rules
from appliance.live.detections import Detections
from appliance.live.detector import Detector
from appliance.live.drift import DriftState
from appliance.live.ear import Ear
from appliance.live.keeper import Keeper
from appliance.live.rejections import Rejections
from appliance.live.tally import Tally
from appliance.models.deploy import Deployments
from appliance.models.thresholds import Thresholds
from appliance.recording.microphones import Microphones
from appliance.settings import ListenSettings, Settings

log = logging.getLogger(__name__)

HEARING_EVERY_S = 0.25
# Judged so long after its last sample, a window was late: what can wait should.
LATE_MS = 400.0


def rules_of(listen: ListenSettings) -> Rules:
    """How live listening decides, and everything that must decide as it does."""
    return Rules(
        release=listen.release,
        smoothing_s=listen.smoothing_s,
        minimum_s=listen.minimum_s,
        hold_s=listen.hold_s,
        cooldown_s=listen.cooldown_s,
    )


class Listener:
    """Thread-safe. Topic `hearing` on the bus, at most four times a second:
    {"microphones": hearing()}."""

    def __init__(
        self,
        microphones: Microphones,
        deployments: Deployments,
        detections: Detections,
        thresholds: Thresholds,
        settings: Settings,
        bus: EventBus,
        tally: Tally | None = None,
        rejections: Rejections | None = None,
    ) -> None:
        """tally: where it is counted how high scores rise. rejections: where refused candidates
        are kept; None to keep them as long as this object."""
        self._tally = tally
        self._rejections = rejections or Rejections()
        listen = settings.listen
        self._microphones = microphones
        self._detections = detections
        self._bus = bus
        self._keeper = Keeper(
            detections,
            clip_s=listen.clip_s,
            preroll_s=settings.audio.preroll_s,
            keep_clips=listen.keep_clips,
        )
        self._detector = Detector(
            deployments, rules_of(listen), thresholds.get, self._judged, deployments.card
        )
        self._syncing = threading.Lock()
        self._told_at = 0.0
        # Of microphones that are listened to no more; so that the sums only grow.
        self._earlier_windows = 0
        self._earlier_missed = 0
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Listen from now on, as soon as a version is deployed."""
        if closed := self._detections.close_open():
            log.info("%d detections were sounding when the daemon ended", closed)
        self._keeper.start()
        self._rejections.start()
        self._unsubscribe = self._bus.subscribe(self._told)
        for view in self._microphones.all():
            self._sync(view.id)
        self._detector.start()

    def keep_no_clips_while(self, no_room: Callable[[], bool]) -> None:
        """Detections are told and stored all the same."""
        self._keeper.no_room = no_room

    def stop(self) -> None:
        """Listen no more; what sounds has ended, and its clips are stored."""
        self._unsubscribe()
        self._detector.stop()
        self._keeper.stop()
        self._rejections.stop()

    def hearing(self) -> dict[str, dict[str, Any]]:
        """Of each microphone that is listened to, by id: the five highest scores of its newest
        window, what sounds now, what was refused and why, and how listening keeps up."""
        return {identifier: ear.hearing() for identifier, ear in self._detector.ears().items()}

    @property
    def turned_ns(self) -> int:
        """When the loop of detection last went round, whether there was anything to hear."""
        return self._detector.turned_ns

    def rejected(
        self, microphone: str | None = None, label: str | None = None, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Candidates that were not reported, each with its reason, newest first: at (epoch
        seconds), microphone, label, score, reason, version. The last of each microphone are kept.
        microphone: id or name. Raises NotFound."""
        only = None if microphone is None else self._microphones.get(microphone).id
        found = [one for one in self._rejections.last(only) if label in (None, one.label)]
        return [asdict(one) for one in reversed(found)][:limit]

    def windows(self) -> tuple[int, int]:
        """How many windows were judged, and how many were missed, since the daemon started."""
        with self._syncing:
            ears = self._detector.ears().values()
            judged = self._earlier_windows + sum(ear.windows for ear in ears)
            return judged, self._earlier_missed + sum(ear.missed for ear in ears)

    def ears(self) -> dict[str, Ear]:
        """Of each microphone that is listened to, by id."""
        return self._detector.ears()

    def lagging(self) -> bool:
        """Whether listening is late now, so that all other work should wait."""
        return any(ear.lag_ms > LATE_MS for ear in self._detector.ears().values())

    def _told(self, event: Event) -> None:
        if event.topic == "deployment":
            self._detector.wake()
        elif event.topic == "microphone" and event.data["what"] != "state":
            self._sync(event.data["microphone"]["id"])
            if event.data["what"] == "removed":
                self._rejections.forget(event.data["microphone"]["id"])

    def _sync(self, identifier: str) -> None:
        """Bring listening to one microphone in line with its row."""
        with self._syncing:
            capture = None
            try:
                view = self._microphones.get(identifier)
                if view.enabled and view.listen:
                    capture = self._microphones.capture(identifier)
            except EarmarkError as error:
                log.debug("%s is not listened to: %s", identifier, error)
            before = self._detector.ears().get(identifier)
            if (before.capture if before else None) is capture:
                return
            if before is not None:
                self._earlier_windows += before.windows
                self._earlier_missed += before.missed
            ear = None
            if capture is not None:
                ear = Ear(
                    capture,
                    self._keeper,
                    self._detector.wake,
                    tally=self._tally,
                    moved=self._moved,
                    rejections=self._rejections,
                )
            self._detector.set(identifier, ear)

    def _moved(self, identifier: str, state: DriftState) -> None:
        """A microphone sounds otherwise than in its training data, or as it did again."""
        try:
            view = self._microphones.get(identifier)
        except EarmarkError:
            return  # removed since
        if state.advice:
            log.warning("microphone %s has moved: %s", view.name, state.advice)
        else:
            log.info("microphone %s sounds as in its training data again", view.name)
        told = {"what": "drift", "microphone": asdict(view), "drift": asdict(state)}
        self._bus.publish("microphone", told)

    def _judged(self) -> None:
        now = clock.seconds()
        if now - self._told_at >= HEARING_EVERY_S:
            self._told_at = now
            self._bus.publish("hearing", {"microphones": self.hearing()})
