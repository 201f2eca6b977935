"""GPIO lines: inputs that tell of their edges, outputs that can be set.

A line is named "CHIP:OFFSET" ("gpiochip0:144"; CHIP may be the chip's label, "tegra234-gpio:144")
or by its own name ("PAC.06"), which stays the same when chips are numbered otherwise.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from firmware_hooks.files import numbered

CONSUMER = "earmark"


class LineError(Exception):
    """A line that is not there, in use, or not allowed; the message says which and what to do."""


class Edge(NamedTuple):
    """`active`: the button went down (or up); `at_s`: when, in seconds of CLOCK_MONOTONIC."""

    active: bool
    at_s: float


class Input(Protocol):
    def wait(self, timeout_s: float | None) -> list[Edge]:
        """The edges since the last call, oldest first; empty after `timeout_s` without one."""

    def close(self) -> None: ...


class Output(Protocol):
    def set(self, on: bool) -> None: ...

    def close(self) -> None:
        """Switch it off and give it back."""


class Lines(Protocol):
    """Both raise LineError."""

    def input(self, line: str, *, active_low: bool, debounce_s: float) -> Input: ...

    def output(self, line: str, *, active_low: bool) -> Output: ...


class GpiodLines:
    """The kernel's GPIO character devices, through libgpiod 2. Debouncing and the times of edges
    are the kernel's. A pull resistor is asked for; controllers without one ignore that (Tegra's
    do: wire a resistor)."""

    def __init__(self, dev: Path = Path("/dev")) -> None:
        self._dev = dev

    def input(self, line: str, *, active_low: bool, debounce_s: float) -> Input:
        from gpiod import LineSettings
        from gpiod.line import Bias, Direction
        from gpiod.line import Edge as Edges

        settings = LineSettings(
            direction=Direction.INPUT,
            edge_detection=Edges.BOTH,
            bias=Bias.PULL_UP if active_low else Bias.PULL_DOWN,
            active_low=active_low,
            debounce_period=timedelta(seconds=debounce_s),
        )
        return _GpiodInput(self._request(line, settings))

    def output(self, line: str, *, active_low: bool) -> Output:
        from gpiod import LineSettings
        from gpiod.line import Direction, Value

        settings = LineSettings(
            direction=Direction.OUTPUT, active_low=active_low, output_value=Value.INACTIVE
        )
        return _GpiodOutput(*self._request(line, settings))

    def _request(self, line: str, settings: Any) -> tuple[Any, int]:
        import gpiod

        with _as_line_error(line):
            chip, offset = self._find(line)
            request = gpiod.request_lines(
                str(chip), consumer=CONSUMER, config={offset: settings}, event_buffer_size=64
            )
        return request, offset

    def _find(self, line: str) -> tuple[Path, int]:
        import gpiod

        wanted, colon, number = line.rpartition(":")
        for path in numbered(self._dev, "gpiochip"):
            with gpiod.Chip(str(path)) as chip:
                if colon:
                    if wanted in (path.name, chip.get_info().label):
                        return path, int(number)
                    continue
                try:
                    return path, chip.line_offset_from_id(line)
                except (OSError, ValueError):
                    continue
        raise LineError(f"there is no GPIO line {line!r}: `gpioinfo` lists those that there are")


class _GpiodInput:
    def __init__(self, requested: tuple[Any, int]) -> None:
        self._request, self._offset = requested

    def wait(self, timeout_s: float | None) -> list[Edge]:
        timeout = None if timeout_s is None else timedelta(seconds=max(0.0, timeout_s))
        if not self._request.wait_edge_events(timeout):
            return []
        return [
            # Rising means active here: the kernel has applied active_low.
            Edge(event.event_type is event.Type.RISING_EDGE, event.timestamp_ns / 1e9)
            for event in self._request.read_edge_events()
        ]

    def close(self) -> None:
        self._request.release()


class _GpiodOutput:
    def __init__(self, request: Any, offset: int) -> None:
        self._request = request
        self._offset = offset

    def set(self, on: bool) -> None:
        from gpiod.line import Value

        self._request.set_value(self._offset, Value.ACTIVE if on else Value.INACTIVE)

    def close(self) -> None:
        self.set(False)
        self._request.release()


@contextmanager
def _as_line_error(line: str) -> Iterator[None]:
    try:
        yield
    except PermissionError:
        raise LineError(
            f"no right to use GPIO line {line}: the user must be in the group gpio"
        ) from None
    except ImportError:
        raise LineError("GPIO needs the package gpiod") from None
    except (OSError, ValueError, OverflowError) as error:
        raise LineError(f"GPIO line {line} cannot be used: {error}") from None


class FakeLines:
    """Lines that a test drives: `press` and `release` an input, look at an output's `is_on`.

    As with the kernel's, edges closer together than the debounce time do not come through, and a
    line that is in use is refused.
    """

    def __init__(self, missing: tuple[str, ...] = ()) -> None:
        self.inputs: dict[str, FakeInput] = {}
        self.outputs: dict[str, FakeOutput] = {}
        self._missing = missing

    def input(self, line: str, *, active_low: bool, debounce_s: float) -> Input:
        self._check(line)
        self.inputs[line] = made = FakeInput(debounce_s)
        return made

    def output(self, line: str, *, active_low: bool) -> Output:
        self._check(line)
        self.outputs[line] = made = FakeOutput()
        return made

    def _check(self, line: str) -> None:
        if line in self._missing:
            raise LineError(f"there is no GPIO line {line!r}")
        used: list[tuple[str, FakeInput | FakeOutput]] = [*self.inputs.items()]
        used += self.outputs.items()
        if any(name == line and not held.closed for name, held in used):
            raise LineError(f"GPIO line {line} cannot be used: Device or resource busy")


class FakeInput:
    def __init__(self, debounce_s: float) -> None:
        self.closed = False
        self._debounce_s = debounce_s
        self._edges: deque[Edge] = deque()
        self._last_s = float("-inf")
        self._active = False
        self._changed = threading.Condition()

    def press(self, at_s: float) -> None:
        self._move(True, at_s)

    def release(self, at_s: float) -> None:
        self._move(False, at_s)

    def wait(self, timeout_s: float | None) -> list[Edge]:
        with self._changed:
            if not self._edges and not self.closed:
                self._changed.wait(timeout_s)
            edges = list(self._edges)
            self._edges.clear()
            return edges

    def close(self) -> None:
        with self._changed:
            self.closed = True
            self._changed.notify_all()

    def _move(self, active: bool, at_s: float) -> None:
        with self._changed:
            if active == self._active or at_s - self._last_s < self._debounce_s:
                return
            self._active, self._last_s = active, at_s
            self._edges.append(Edge(active, at_s))
            self._changed.notify_all()


class FakeOutput:
    """`shown`: every change, oldest first."""

    def __init__(self) -> None:
        self.closed = False
        self.is_on = False
        self.shown: list[bool] = []

    def set(self, on: bool) -> None:
        if on != self.is_on:
            self.shown.append(on)
        self.is_on = on

    def close(self) -> None:
        self.set(False)
        self.closed = True
