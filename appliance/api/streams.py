"""The event stream: what the daemon's bus says, as server-sent events.

Each event has the id `LIFE-NUMBER`; LIFE is different after each start of the daemon. A client
that lost its line sends the last id that it saw, and is first told what it missed. One that
reads too slowly is told so, and dropped: it connects again and gets what is still kept.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from appliance.api.answers import plain
from appliance.errors import Unavailable
from appliance.events import ASKED_FOR

if TYPE_CHECKING:
    from appliance.events import Event, EventBus

log = logging.getLogger(__name__)

HEARTBEAT_S = 15.0
BACKLOG = 256
"""Events that wait for a slow reader before it is dropped."""
STALLED_S = 30.0
"""A reader that takes nothing for so long is gone."""
MOST_STREAMS = 64


class Streams:
    """All event streams that are open now. Their number is limited; `close()` ends them."""

    def __init__(self) -> None:
        self.life = secrets.token_hex(3)
        self.closed = False
        self._lock = threading.Lock()
        self._open: set[Callable[[], None]] = set()

    def enter(self, wake: Callable[[], None]) -> None:
        """Count a stream in; `wake` is called when it has to end."""
        with self._lock:
            if len(self._open) >= MOST_STREAMS:
                raise Unavailable(
                    f"{MOST_STREAMS} event streams are open, and no more are allowed",
                    "close some of the clients that listen",
                )
            self._open.add(wake)

    def leave(self, wake: Callable[[], None]) -> None:
        with self._lock:
            self._open.discard(wake)

    def close(self) -> None:
        """End every stream, from any thread. For the daemon's stop."""
        self.closed = True
        with self._lock:
            wakes = list(self._open)
        for wake in wakes:
            wake()

    def number(self, last_event_id: str | None) -> int | None:
        """The event number after which to go on; None for "from now", 0 for everything kept
        (an id of an earlier life: all that this one has said is new to that client)."""
        if not last_event_id:
            return None
        life, _, number = last_event_id.partition("-")
        if life == self.life and number.isdigit():
            return int(number)
        return 0


class EventStream(Response):
    """One client's stream."""

    media_type = "text/event-stream"

    def __init__(
        self, bus: EventBus, streams: Streams, topics: Collection[str], last_id: str | None
    ) -> None:
        super().__init__()
        del self.headers["content-length"]
        self.headers["Cache-Control"] = "no-store"
        # A stream that has ended leaves nothing on its connection to go on with.
        self.headers["Connection"] = "close"
        self._bus = bus
        self._streams = streams
        self._topics = frozenset(topics)
        self._after = streams.number(last_id)
        self._waiting: deque[Event] = deque()
        self._overrun = False
        self._woken = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._streams.enter(self._wake)
        unsubscribe = self._bus.subscribe(self._hear, self._topics)
        try:
            await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(self._until_gone, receive, tasks.cancel_scope)
                await self._tell(send)
                tasks.cancel_scope.cancel()
        finally:
            unsubscribe()
            self._streams.leave(self._wake)

    def _hear(self, event: Event) -> None:
        """Called on the publisher's thread: must not wait."""
        if not (event.topic in self._topics if self._topics else event.topic not in ASKED_FOR):
            return
        if len(self._waiting) >= BACKLOG:
            self._overrun = True
        else:
            self._waiting.append(event)
        self._wake()

    def _wake(self) -> None:
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:  # the loop is closed: the daemon stops, nobody waits any more
            log.debug("an event came after the last loop")

    async def _until_gone(self, receive: Receive, scope: anyio.CancelScope) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        scope.cancel()

    async def _tell(self, send: Send) -> None:
        async def write(text: str, more: bool = True) -> None:
            with anyio.fail_after(STALLED_S):
                await send({"type": "http.response.body", "body": text.encode(), "more_body": more})

        try:
            # Something at once, so that the client knows that it is connected.
            await write(f": {self._streams.life}\nretry: 1000\n\n")
            seen = await self._catch_up(write)
            while not self._streams.closed:
                self._woken.clear()
                while self._waiting:
                    event = self._waiting.popleft()
                    if event.id > seen:
                        await write(self._format(event))
                if self._overrun:
                    await write(_note("you read too slowly, events were dropped: connect again"))
                    break
                with anyio.move_on_after(HEARTBEAT_S) as pause:
                    await self._woken.wait()
                if pause.cancelled_caught:
                    await write(": still here\n\n")
            await write("", more=False)
        except TimeoutError:
            log.info("an event stream was dropped: its client takes nothing any more")

    async def _catch_up(self, write: Callable[..., Any]) -> int:
        """Tell what the client missed; the number of the last event told."""
        if self._after is None:
            return 0
        missed = self._bus.since(self._after)
        kept = self._bus.since(0)
        if kept and len(kept) >= self._bus.capacity and kept[0].id > self._after + 1:
            await write(_note("events that are no longer kept may be missing before this"))
        for event in missed:
            if not self._topics or event.topic in self._topics:
                await write(self._format(event))
        return missed[-1].id if missed else self._after

    def _format(self, event: Event) -> str:
        data = json.dumps(plain({"at": event.at, **event.data}))
        return f"id: {self._streams.life}-{event.id}\nevent: {event.topic}\ndata: {data}\n\n"


def _note(text: str) -> str:
    return f"event: note\ndata: {json.dumps({'detail': text})}\n\n"
