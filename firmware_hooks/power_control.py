"""Asking for another power mode, from a process that may not change it by itself."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

from firmware_hooks.power_mode import (
    REQUEST,
    STATE,
    PowerMode,
    PowerModes,
    Request,
    Result,
    read_modes,
    read_result,
    write_request,
)

log = logging.getLogger(__name__)


class PowerControl(Protocol):
    def modes(self) -> PowerModes: ...

    def ask(self, request: Request) -> bool:
        """False when there is nobody to ask: the folder of the service is not there."""

    def result(self) -> Result | None:
        """What came of the last request that was answered."""


class UnitPower:
    """Through the files that systemd's `earmark-power.path` watches."""

    def __init__(
        self, root: Path = Path("/"), request: Path = REQUEST, state: Path = STATE
    ) -> None:
        self._root = root
        self._request = request
        self._state = state

    def modes(self) -> PowerModes:
        return read_modes(self._root)

    def ask(self, request: Request) -> bool:
        try:
            write_request(request, self._request)
        except OSError as error:
            log.info("no power mode can be asked for here: %s", error)
            return False
        return True

    def result(self) -> Result | None:
        return read_result(self._state)


class FakePower:
    """A board that obeys at once. `reboots`: modes that it refuses without a reboot; `locked`:
    whether its clocks are; `asked`: every request, the oldest first."""

    def __init__(
        self,
        names: tuple[str, ...] = ("15W", "25W", "MAXN_SUPER"),
        current: int = 1,
        reboots: tuple[int, ...] = (),
    ) -> None:
        self.all = tuple(PowerMode(number, name) for number, name in enumerate(names))
        self.current = current
        self.reboots = reboots
        self.locked = False
        self.asked: list[Request] = []
        self._result: Result | None = None

    def modes(self) -> PowerModes:
        return PowerModes(self.all[self.current] if self.all else None, self.all)

    def ask(self, request: Request) -> bool:
        self.asked.append(request)
        if request.mode in self.reboots:
            self._result = Result(request.id, "needs reboot", "it needs a reboot", self.current)
            return True
        if request.mode is not None:
            self.current = request.mode
        self.locked = request.clocks
        self._result = Result(request.id, "done", "", self.current)
        return True

    def result(self) -> Result | None:
        return self._result
