"""One thread that follows the daemon's events, through its ends and returns."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from appliance.errors import EarmarkError

if TYPE_CHECKING:
    from appliance.client import Client

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 5.0

Event = tuple[str, dict[str, Any]]


class Stream:
    """Calls, on a thread of its own: `there(status)` when the daemon answers and its events will
    follow, `heard(topic, data)` for each, `away(error, seconds)` when it does not answer, with the
    time until the next attempt. Whoever hears `there` again should look at everything anew."""

    def __init__(
        self,
        find: Callable[[], Client],
        topics: Sequence[str],
        *,
        perhaps: Sequence[str] = (),
        heard: Callable[[str, dict[str, Any]], None],
        there: Callable[[dict[str, Any]], None] = lambda status: None,
        away: Callable[[EarmarkError, float], None] = lambda error, seconds: None,
    ) -> None:
        self._find = find
        self._topics = [*topics, *perhaps]
        self._perhaps = set(perhaps)
        self._heard = heard
        self._there = there
        self._away = away
        self._stopped = False
        self._retry = threading.Event()
        # A daemon thread: it may be waiting on a silent line when the program ends.
        threading.Thread(target=self._run, name="events", daemon=True).start()

    def stop(self) -> None:
        """Call nothing any more; the thread ends at its next sign of life."""
        self._stopped = True
        self._retry.set()

    def retry(self) -> None:
        """Try now instead of at the end of the pause."""
        self._retry.set()

    def _over(self) -> bool:
        """Asked again and again: another thread says so."""
        return self._stopped

    def _run(self) -> None:
        pause = FIRST_PAUSE_S
        while not self._over():
            try:
                for topic, data in self._once():
                    pause = FIRST_PAUSE_S
                    if self._over():
                        return
                    self._heard(topic, data)
                error = _ended()
            except EarmarkError as problem:
                error = problem
            if self._over():
                return
            self._retry.clear()
            self._away(error, pause)
            self._retry.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_S)

    def _once(self) -> Iterator[Event]:
        """The events of one connection, until it ends."""
        from appliance.client_events import parse

        with self._find() as client:
            status = client.get("/status")
            with self._open(client) as lines:
                # Only now: what is looked at from here on is followed by its changes.
                if not self._stopped:
                    self._there(status)
                for _, topic, data in parse(self._until_stopped(lines)):
                    yield topic, data

    @contextlib.contextmanager
    def _open(self, client: Client) -> Iterator[Iterator[str]]:
        from appliance.client_errors import ClientError

        with contextlib.ExitStack() as stack:
            try:
                lines = stack.enter_context(client.open_events(self._topics))
            except ClientError as error:
                if error.status != 422 or not self._perhaps:
                    raise
                # An older daemon, which does not know all of them.
                sure = [topic for topic in self._topics if topic not in self._perhaps]
                lines = stack.enter_context(client.open_events(sure))
            yield lines

    def _until_stopped(self, lines: Iterator[str]) -> Iterator[str]:
        for line in lines:
            if self._stopped:
                return
            yield line


def _ended() -> EarmarkError:
    from appliance.client_errors import DaemonUnreachable

    return DaemonUnreachable("the daemon has stopped", "it may be starting again")
