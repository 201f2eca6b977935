"""The daemon's events on a thread of their own, so that a display can redraw and end in time."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from appliance.cli.common import State

Event = tuple[str, dict[str, Any]]


def followed(
    state: State, topics: Sequence[str], seconds: float | None, *, tick_s: float = 0.25
) -> Iterator[Event | None]:
    """(topic, data) as they come, and None whenever nothing came for `tick_s`; ends after
    `seconds`. The first connection must succeed; later ones are made again by themselves."""
    received: queue.Queue[Event | BaseException] = queue.Queue()
    client = state.client()

    def read() -> None:
        try:
            for event in client.events(topics):
                received.put(event)
        except BaseException as error:
            received.put(error)

    deadline = None if seconds is None else time.monotonic() + seconds
    # A daemon thread: it may wait on a silent line when the command ends.
    threading.Thread(target=read, name="events", daemon=True).start()
    while deadline is None or time.monotonic() < deadline:
        wait = tick_s if deadline is None else min(tick_s, max(0.0, deadline - time.monotonic()))
        try:
            event = received.get(timeout=wait)
        except queue.Empty:
            yield None
            continue
        if isinstance(event, BaseException):
            raise event
        yield event
