"""Telling systemd how we are (sd_notify), and feeding its watchdog while the loops turn.

The watchdog is fed as long as every loop went round lately, whatever it found on its way: what is
missing outside (a microphone, space, a model) is a state, and a restart would not bring it.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable, Mapping

log = logging.getLogger(__name__)


def notify(message: str, environment: Mapping[str, str] = os.environ) -> bool:
    """Send `message` ("READY=1", "STATUS=...") to systemd; False when nobody wants to know.

    One datagram to the socket in NOTIFY_SOCKET, as sd_notify(3) describes; "@" stands for the NUL
    of an abstract socket.
    """
    address = environment.get("NOTIFY_SOCKET", "")
    if not address.startswith(("/", "@")):
        return False
    if address.startswith("@"):
        address = "\0" + address[1:]
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
            # Its queue is short, and a systemd that does not read must not hold us.
            sock.settimeout(2.0)
            sock.connect(address)
            sock.sendall(message.encode())
    except OSError as error:
        log.warning("systemd could not be told %r: %s", message.partition("=")[0], error)
        return False
    return True


def interval_s(environment: Mapping[str, str] = os.environ, pid: int | None = None) -> float | None:
    """How often systemd wants to be told, from WATCHDOG_USEC; None when it does not watch us."""
    if environment.get("WATCHDOG_PID") not in (None, "", str(os.getpid() if pid is None else pid)):
        return None
    try:
        micro = int(environment.get("WATCHDOG_USEC", ""))
    except ValueError:
        return None
    return micro / 1e6 if micro > 0 else None


class Watchdog:
    """Feeds while no loop is late.

    ages: asked each time for the seconds since each loop last turned, by name. limit_s: the age
    from which a loop counts as hung. told: called with the names of late loops (empty: all is
    well again) whenever that changes.
    """

    def __init__(
        self,
        ages: Callable[[], Mapping[str, float]],
        *,
        limit_s: float,
        every_s: float,
        feed: Callable[[], object] = lambda: notify("WATCHDOG=1"),
        told: Callable[[list[str]], None] = lambda late: None,
    ) -> None:
        self._ages = ages
        self._limit_s = limit_s
        self._every_s = every_s
        self._feed = feed
        self._told = told
        self._late: list[str] = []
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="watchdog", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def look(self) -> bool:
        """Feed, unless a loop is late; whether it was fed."""
        late = sorted(name for name, age in self._ages().items() if age > self._limit_s)
        if late != self._late:
            self._late = late
            self._told(late)
        if not late:
            self._feed()
        return not late

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self.look()
            except Exception:
                # Not fed: what cannot be asked does not turn.
                log.exception("the watchdog could not look")
            self._stop.wait(self._every_s)


class FakeSystemd:
    """What systemd is to a service: a datagram socket at `path`; `environment` leads to it."""

    def __init__(self, path: str, watchdog_s: float | None = None) -> None:
        self.environment = {"NOTIFY_SOCKET": path}
        if watchdog_s is not None:
            self.environment["WATCHDOG_USEC"] = str(round(watchdog_s * 1e6))
        address = "\0" + path[1:] if path.startswith("@") else path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.bind(address)

    def received(self, timeout_s: float) -> str | None:
        """The next message; None when none comes in time."""
        self._socket.settimeout(timeout_s)
        try:
            return self._socket.recv(4096).decode()
        except TimeoutError:
            return None

    def close(self) -> None:
        self._socket.close()
