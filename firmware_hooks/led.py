"""One light that shows how the box is, by its rhythm.

No state is a light that stands still: a light that does not change tells of a dead box.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from firmware_hooks.lines import LineError, Lines

log = logging.getLogger(__name__)

# Seconds on, off, on, ... of one round.
PATTERNS: Mapping[str, tuple[float, ...]] = {
    "listening": (0.1, 2.9),
    "recording": (0.25, 0.25),
    "training": (1.0, 1.0),
    "attention": (0.12, 0.2, 0.12, 0.2, 0.12, 1.6),
    "paused": (2.7, 0.3),
    "idle": (0.1, 5.9),
}


class Light(Protocol):
    def set(self, on: bool) -> None: ...

    def close(self) -> None:
        """Switch it off and give it back."""


class SysfsLight:
    """A LED of the board, below /sys/class/leds. `close` gives it its earlier trigger back."""

    def __init__(self, name: str, root: Path = Path("/")) -> None:
        """Raises LineError when there is no such LED, or it may not be used."""
        if "/" in name or name in ("", ".", ".."):
            raise LineError(f"{name!r} is not the name of a LED")
        self._folder = root / "sys/class/leds" / name
        try:
            # "none [heartbeat] mmc0": the one in brackets is at work.
            words = (self._folder / "trigger").read_text().split()
            self._trigger = next((w.strip("[]") for w in words if w.startswith("[")), "none")
            (self._folder / "trigger").write_text("none")
            most = int((self._folder / "max_brightness").read_text())
        except (OSError, ValueError) as error:
            raise LineError(f"the LED {name} cannot be used: {error}") from None
        self._brightness = (self._folder / "brightness", str(max(1, most)))

    def set(self, on: bool) -> None:
        file, most = self._brightness
        file.write_text(most if on else "0")

    def close(self) -> None:
        self.set(False)
        (self._folder / "trigger").write_text(self._trigger)


def open_light(name: str, lines: Lines, *, active_low: bool = False, root: Path) -> Light:
    """`led:NAME` is a LED of the board, anything else a GPIO line. Raises LineError."""
    if name.startswith("led:"):
        return SysfsLight(name[4:], root)
    return lines.output(name, active_low=active_low)


class Blinker:
    """Shows the pattern of `state` until another is shown. `light` is opened by `start`; a light
    that cannot be opened, or fails, is a `problem`, not an error."""

    def __init__(
        self,
        light: Callable[[], Light],
        patterns: Mapping[str, tuple[float, ...]] = PATTERNS,
    ) -> None:
        self.problem = ""
        self._open = light
        self._patterns = patterns
        self._state = "idle"
        self._changed = threading.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def state(self) -> str:
        return self._state

    def start(self) -> None:
        try:
            light = self._open()
        except LineError as error:
            self.problem = str(error)
            log.error("the light does not work: %s", error)
            return
        self._thread = threading.Thread(target=self._run, args=(light,), name="light", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """The light is off when this returns."""
        self._stopping = True
        self._changed.set()
        if self._thread is not None:
            self._thread.join()

    def show(self, state: str) -> None:
        """Begin the pattern of `state` at once, unless it is shown already. Any thread."""
        if state not in self._patterns:
            raise ValueError(f"no pattern for {state!r}")
        if state != self._state:
            self._state = state
            self._changed.set()

    def _run(self, light: Light) -> None:
        try:
            while not self._stopping:
                self._changed.clear()
                self._round(light)
        except OSError as error:
            self.problem = f"the light failed: {error}"
            log.error("the light does not work any more: %s", error)
        finally:
            try:
                light.close()
            except OSError as error:
                log.warning("the light could not be given back: %s", error)

    def _round(self, light: Light) -> None:
        for index, seconds in enumerate(self._patterns[self._state]):
            light.set(index % 2 == 0)
            if self._changed.wait(seconds):
                return
