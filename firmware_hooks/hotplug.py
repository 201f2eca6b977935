"""Microphones that come and go, from the kernel's own messages through udev."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

log = logging.getLogger(__name__)

LOOK_S = 0.5


@dataclass(frozen=True)
class Plug:
    """action: "add", "remove" or "change". path: the device's stable path, ID_PATH as udev makes
    it from bus and port ("platform-3610000.usb-usb-0:2.3:1.0"), else its place below /sys."""

    action: str
    path: str


class Hotplug(Protocol):
    """`start` calls `plugged` on a thread of its own until `stop`."""

    def start(self, plugged: Callable[[Plug], None]) -> None: ...

    def stop(self) -> None: ...


class UdevHotplug:
    """Sound cards, as udev announces them; where there is no udev daemon, as the kernel does."""

    def __init__(self, udev: Path = Path("/run/udev/control")) -> None:
        self._source = "udev" if udev.exists() else "kernel"
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, plugged: Callable[[Plug], None]) -> None:
        self._thread = threading.Thread(
            target=self._run, args=(plugged,), name="hotplug", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _open(self) -> Any:
        import pyudev

        monitor = pyudev.Monitor.from_netlink(pyudev.Context(), source=self._source)
        monitor.filter_by("sound")
        monitor.start()
        return monitor

    def _run(self, plugged: Callable[[Plug], None]) -> None:
        try:
            monitor = self._open()
        except (ImportError, OSError) as error:
            log.warning("microphones are looked for only now and then: no udev (%s)", error)
            return
        while not self._stop.is_set():
            try:
                device = monitor.poll(timeout=LOOK_S)
                # A card announces each of its parts; the card itself is enough.
                if device is not None and device.sys_name.startswith("card"):
                    path = device.properties.get("ID_PATH") or device.device_path
                    plugged(Plug(str(device.action), str(path)))
            except Exception:
                log.exception("a hot-plug message could not be followed")
                self._stop.wait(LOOK_S)


class FakeHotplug:
    """`plug` and `unplug` it: the callback runs at once, on the caller's thread."""

    def __init__(self) -> None:
        self._plugged: Callable[[Plug], None] | None = None

    def start(self, plugged: Callable[[Plug], None]) -> None:
        self._plugged = plugged

    def stop(self) -> None:
        self._plugged = None

    def plug(self, path: str) -> None:
        self._tell(Plug("add", path))

    def unplug(self, path: str) -> None:
        self._tell(Plug("remove", path))

    def _tell(self, plug: Plug) -> None:
        if self._plugged is not None:
            self._plugged(plug)
