"""What happens in the daemon, told to whoever listens: the API's event stream, the log, tests."""

from __future__ import annotations

import itertools
import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

log = logging.getLogger(__name__)

TOPICS = (
    "backup",
    "clip",
    "comparison",
    "deployment",
    "detection",
    "engine",
    "hearing",
    "job",
    "label",
    "microphone",
    "notice",
    "privacy",
    "recording",
    "retention",
    "shadow",
    "space",
    "spectrum",
    "version",
)
FLEETING = ("hearing", "spectrum")
"""They come several times a second, each instead of the one before: none is kept for later."""
ASKED_FOR = ("spectrum",)
"""Only for those who name them, and only made while somebody does."""


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
        self._watchers: Counter[str] = Counter()
        self._makers: dict[str, Callable[[bool], None]] = {}

    def publish(self, topic: str, data: dict[str, Any]) -> Event:
        if topic not in TOPICS:
            raise ValueError(f"unknown topic {topic!r}; topics are {', '.join(TOPICS)}")
        with self._lock:
            event = Event(next(self._ids), topic, time.time(), data)
            # They would push the rest out of the history.
            if topic not in FLEETING:
                self._recent.append(event)
            subscribers = list(self._subscribers)
        for subscriber in subscribers:
            try:
                subscriber(event)
            except Exception:
                log.exception("a subscriber failed on %s", topic)
        return event

    def subscribe(
        self, callback: Callable[[Event], None], watched: Collection[str] = ()
    ) -> Callable[[], None]:
        """Call `callback` with every event from now on; the returned function ends that. Those
        of ASKED_FOR are made while somebody subscribes with their names in `watched`."""
        with self._lock:
            self._subscribers.append(callback)
        self._watch(watched, 1)

        def unsubscribe() -> None:
            with self._lock:
                if callback not in self._subscribers:
                    return
                self._subscribers.remove(callback)
            self._watch(watched, -1)

        return unsubscribe

    def make_when_watched(self, topic: str, make: Callable[[bool], None]) -> None:
        """Call `make(True)` when the first one watches `topic`, `make(False)` when the last one
        has gone."""
        with self._lock:
            self._makers[topic] = make
            wanted = self._watchers[topic] > 0
        if wanted:
            make(True)

    def _watch(self, topics: Collection[str], change: int) -> None:
        turned = []
        with self._lock:
            for topic in set(topics) & set(ASKED_FOR):
                before = self._watchers[topic] > 0
                self._watchers[topic] += change
                after = self._watchers[topic] > 0
                if before is not after and topic in self._makers:
                    turned.append((self._makers[topic], after))
        for make, wanted in turned:
            make(wanted)

    def since(self, last_id: int) -> list[Event]:
        """The kept events after `last_id`, oldest first."""
        with self._lock:
            return [event for event in self._recent if event.id > last_id]
