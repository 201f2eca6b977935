"""What happens in the daemon, told to whoever listens: the API's event stream, the log, tests."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

TOPICS = (
    "clip",
    "deployment",
    "detection",
    "hearing",
    "job",
    "label",
    "microphone",
    "privacy",
    "recording",
    "version",
)


@dataclass(frozen=True)
class Event:
    """`id` grows by one with each event of this daemon's life; `at` is wall time for display."""

    id: int
    topic: str
    at: float
    data: dict[str, Any]


class EventBus:
    """Publish from any thread; subscribers are called at once, on the publisher's thread.

    A subscriber must return quickly and hand heavy work to a thread of its own. The last
    `history` events are kept, so that a client that lost its line can ask for what it missed.
    """

    def __init__(self, history: int = 500) -> None:
        self.capacity = history
        self._lock = threading.Lock()
        self._ids = itertools.count(1)
        self._recent: deque[Event] = deque(maxlen=history)
        self._subscribers: list[Callable[[Event], None]] = []

    def publish(self, topic: str, data: dict[str, Any]) -> Event:
        if topic not in TOPICS:
            raise ValueError(f"unknown topic {topic!r}; topics are {', '.join(TOPICS)}")
        with self._lock:
            event = Event(next(self._ids), topic, time.time(), data)
            # "hearing" comes several times a second and would push the rest out of the history.
            if topic != "hearing":
                self._recent.append(event)
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            try:
                subscriber(event)
            except Exception:
                log.exception("a subscriber failed on %s", topic)
        return event

    def subscribe(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Call `callback` with every event from now on; the returned function ends that."""
        with self._lock:
            self._subscribers.append(callback)

        def unsubscribe() -> None:
            with self._lock:
                if callback in self._subscribers:
                    self._subscribers.remove(callback)

        return unsubscribe

    def since(self, last_id: int) -> list[Event]:
        """The kept events after `last_id`, oldest first."""
        with self._lock:
            return [event for event in self._recent if event.id > last_id]
