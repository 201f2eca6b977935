"""Changes on their way to the daemon; those that it did not get yet are kept and sent again."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

from appliance.client_errors import DaemonUnreachable
from appliance.errors import EarmarkError


class Requests(Protocol):
    async def call(self, request: Callable[[Any], Any]) -> Any: ...


@dataclass(frozen=True)
class Letter:
    """One change: what it is in a person's words, and the request. `refused` is called with the
    error when the daemon says no, `done` with its answer."""

    words: str
    verb: str
    path: str
    body: Any
    done: Callable[[Any], object] | None
    refused: Callable[[EarmarkError], object] | None


class Outbox:
    """Letters go out one after another, in the order in which they were posted.

    Only for requests that may be sent twice, such as labels and reviews: a line that breaks does
    not tell whether the last one arrived.
    """

    def __init__(self, box: Requests, changed: Callable[[], object]) -> None:
        """`changed` is called whenever the number of letters that wait has changed."""
        self._box = box
        self._changed = changed
        self._letters: deque[Letter] = deque()
        self._posted = asyncio.Event()
        self._line = asyncio.Event()

    def __len__(self) -> int:
        return len(self._letters)

    @property
    def words(self) -> list[str]:
        """What waits, oldest first."""
        return [letter.words for letter in self._letters]

    def post(
        self,
        words: str,
        verb: str,
        path: str,
        body: Any = None,
        *,
        done: Callable[[Any], object] | None = None,
        refused: Callable[[EarmarkError], object] | None = None,
    ) -> None:
        """Send `verb` ("put", "post", "patch", "delete") now, or as soon as it is possible."""
        self._letters.append(Letter(words, verb, path, body, done, refused))
        self._posted.set()
        self._changed()

    def connected(self, there: bool) -> None:
        """Whether it makes sense to try."""
        if there:
            self._line.set()
        else:
            self._line.clear()

    async def run(self) -> None:
        """Send for ever."""
        while True:
            await self._line.wait()
            if not self._letters:
                self._posted.clear()
                await self._posted.wait()
                continue
            letter = self._letters[0]
            try:
                answer = await self._box.call(partial(_send, letter=letter))
            except DaemonUnreachable:
                # Cleared by hand: the event stream may not know yet. It says when to go on.
                self._line.clear()
                continue
            except EarmarkError as error:
                self._letters.popleft()
                if letter.refused is not None:
                    letter.refused(error)
            else:
                self._letters.popleft()
                if letter.done is not None:
                    letter.done(answer)
            self._changed()


def _send(client: Any, letter: Letter) -> Any:
    method = getattr(client, letter.verb)
    return method(letter.path) if letter.verb == "delete" else method(letter.path, letter.body)
