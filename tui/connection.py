"""The line to the daemon: requests on a few threads, events on one, and what is said about both.

Everything that screens know of the daemon comes through here. They `await` requests and are told
events; no widget is ever touched from a thread.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from textual.message import Message

from appliance.errors import EarmarkError
from tui.pool import Pool
from tui.stream import Event, Stream

if TYPE_CHECKING:
    from appliance.client import Client

T = TypeVar("T")

TOPICS = (
    "clip",
    "deployment",
    "detection",
    "job",
    "label",
    "microphone",
    "recording",
    "version",
)
"""Followed always; what comes several times a second is followed only while it is shown."""

LATER_TOPICS = ("comparison", "engine", "notice", "privacy", "shadow")
"""Followed where the daemon has them."""

MOST_WAITING = 2000
"""Events kept for a screen that does not come to draw them; more, and it looks at all anew."""


class There(Message):
    """The daemon answers, for the first time or again. `status` is that of `GET /status`."""

    def __init__(self, status: dict[str, Any]) -> None:
        super().__init__()
        self.status = status


class Away(Message):
    """The daemon does not answer; the next attempt is in `seconds`."""

    def __init__(self, error: EarmarkError, seconds: float) -> None:
        super().__init__()
        self.error = error
        self.seconds = seconds


class Connection:
    """`get`, `post`, ... are coroutines and raise `ClientError` in words for people.

    Events are collected and handed out by `events()`, so that a burst of them costs one drawing.
    """

    def __init__(
        self,
        *,
        url: str | None = None,
        token: str | None = None,
        data: Path | None = None,
        tell: Callable[[Message], object],
    ) -> None:
        """`tell` is called from threads with There and Away."""
        self._where = (url, token, data)
        self._tell = tell
        self._pool = Pool()
        self._lock = threading.Lock()
        self._client: Client | None = None
        self._waiting: deque[Event] = deque()
        self._overrun = False
        self._stream: Stream | None = None
        self._live: Stream | None = None
        self._live_topics: tuple[str, ...] = ()
        self.connected = False
        self.address = ""

    def start(self) -> None:
        """Follow the daemon from now on."""
        self._stream = Stream(
            self._find,
            TOPICS,
            perhaps=LATER_TOPICS,
            heard=self._heard,
            there=self._there,
            away=self._away,
        )

    def stop(self) -> None:
        """Follow it no more."""
        for stream in (self._stream, self._live):
            if stream is not None:
                stream.stop()
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            client.close()

    def retry(self) -> None:
        """Try to connect now, if the line is broken."""
        for stream in (self._stream, self._live):
            if stream is not None:
                stream.retry()

    # --- requests ------------------------------------------------------------------------------

    async def get(self, path: str, **params: Any) -> Any:
        return await self.call(lambda client: client.get(path, **params))

    async def get_known(self, path: str, **params: Any) -> Any:
        """The same; None when this daemon, of an earlier version, has no such page."""
        from appliance.client_errors import ClientError

        try:
            return await self.get(path, **params)
        except ClientError as error:
            if error.status != 404:
                raise
            return None

    async def post(self, path: str, json: Any = None, **params: Any) -> Any:
        return await self.call(lambda client: client.post(path, json, **params))

    async def put(self, path: str, json: Any = None, **params: Any) -> Any:
        return await self.call(lambda client: client.put(path, json, **params))

    async def patch(self, path: str, json: Any = None, **params: Any) -> Any:
        return await self.call(lambda client: client.patch(path, json, **params))

    async def delete(self, path: str, **params: Any) -> Any:
        return await self.call(lambda client: client.delete(path, **params))

    async def call(self, request: Callable[[Client], T]) -> T:
        """Whatever `request` does with the client, on one of the threads for requests."""
        return await self._pool.run(lambda: request(self._usable()))

    def _usable(self) -> Client:
        with self._lock:
            if self._client is None:
                self._client = self._find()
            return self._client

    def _find(self) -> Client:
        # httpx takes 100 ms to import: on this thread, while the first screen is drawn.
        from appliance.client import Client

        url, token, data = self._where
        return Client.find(url, token, data)

    # --- events --------------------------------------------------------------------------------

    def follow(self, topics: Sequence[str]) -> None:
        """Follow these as well, for as long as they are shown; none to end that."""
        if tuple(topics) == self._live_topics:
            return
        self._live_topics = tuple(topics)
        if self._live is not None:
            self._live.stop()
        self._live = Stream(self._find, topics, heard=self._heard) if topics else None

    def events(self) -> tuple[list[Event], bool]:
        """What was heard since the last call, and whether something had to be dropped. Of
        `hearing`, which says everything anew, only the last."""
        with self._lock:
            heard, self._waiting = list(self._waiting), deque()
            overrun, self._overrun = self._overrun, False
        newest = max((i for i, event in enumerate(heard) if event[0] == "hearing"), default=-1)
        kept = [event for i, event in enumerate(heard) if event[0] != "hearing" or i == newest]
        return kept, overrun

    # --- on the threads of the streams ---------------------------------------------------------

    def _heard(self, topic: str, data: dict[str, Any]) -> None:
        with self._lock:
            if len(self._waiting) >= MOST_WAITING:
                self._waiting.clear()
                self._overrun = True
            self._waiting.append((topic, data))

    def _there(self, status: dict[str, Any]) -> None:
        fresh = self._find()
        with self._lock:
            # The same address again: requests that are under way on the old one shall finish.
            if self._client is not None and self._client.address == fresh.address:
                fresh.close()
            else:
                self._client = fresh
            self.connected, self.address = True, fresh.address
        self._tell(There(status))

    def _away(self, error: EarmarkError, seconds: float) -> None:
        self.connected = False
        self._tell(Away(error, seconds))
