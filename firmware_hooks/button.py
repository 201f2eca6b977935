"""One button, three gestures: a press, two presses, and a long one."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from firmware_hooks.lines import Input, LineError, Lines

log = logging.getLogger(__name__)

GESTURES = ("press", "double", "long")
# The thread looks at its stop this often.
LOOK_S = 0.25


@dataclass(frozen=True)
class Timing:
    """double_s: two presses within this are one double press; so long a single press waits.
    long_s: held for so long is a long press, told while the button is still down."""

    double_s: float = 0.4
    long_s: float = 1.0


class Gestures:
    """From edges to gestures: a pure state machine over times, all in seconds of one clock."""

    def __init__(self, timing: Timing) -> None:
        self._timing = timing
        self._down_at: float | None = None  # while it is held and the gesture is still open
        self._released_at: float | None = None  # after a first press that may become a double

    @property
    def due_at(self) -> float | None:
        """When `tick` has something to say if nothing else happens."""
        if self._down_at is not None:
            return self._down_at + self._timing.long_s
        if self._released_at is not None:
            return self._released_at + self._timing.double_s
        return None

    def edge(self, active: bool, at_s: float) -> list[str]:
        """The gestures that this edge completes."""
        told = self.tick(at_s)
        if active:
            self._down_at = at_s
        elif self._down_at is not None:
            self._down_at = None
            if self._released_at is not None:
                self._released_at = None
                told.append("double")
            else:
                self._released_at = at_s
        return told

    def tick(self, now_s: float) -> list[str]:
        """The gestures that time has completed by `now_s`."""
        due = self.due_at
        if due is None or now_s < due:
            return []
        if self._down_at is not None:
            # A long press after a short one: the short one was a press of its own.
            told = ["press"] if self._released_at is not None else []
            self._down_at = self._released_at = None
            return [*told, "long"]
        self._released_at = None
        return ["press"]


class Button:
    """Calls `actions[gesture]` on a thread of its own; an action that fails is logged.

    `start` raises nothing: `problem` says why a button cannot be used.
    """

    def __init__(
        self,
        lines: Lines,
        line: str,
        actions: Mapping[str, Callable[[], object]],
        *,
        timing: Timing | None = None,
        active_low: bool = True,
        debounce_s: float = 0.02,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.problem = ""
        self._lines = lines
        self._line = line
        self._actions = dict(actions)
        self._gestures = Gestures(timing or Timing())
        self._active_low = active_low
        self._debounce_s = debounce_s
        self._clock = clock
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        try:
            held = self._lines.input(
                self._line, active_low=self._active_low, debounce_s=self._debounce_s
            )
        except LineError as error:
            self.problem = str(error)
            log.error("the button does not work: %s", error)
            return
        self._thread = threading.Thread(target=self._run, args=(held,), name="button", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _run(self, held: Input) -> None:
        try:
            while not self._stop.is_set():
                self._turn(held)
        except Exception as error:
            self.problem = f"the button's line failed: {error}"
            log.exception("the button does not work any more")
        finally:
            held.close()

    def _turn(self, held: Input) -> None:
        due = self._gestures.due_at
        wait_s = LOOK_S if due is None else min(LOOK_S, max(0.0, due - self._clock()))
        edges = held.wait(wait_s)
        told = [gesture for edge in edges for gesture in self._gestures.edge(*edge)]
        for gesture in [*told, *self._gestures.tick(self._clock())]:
            action = self._actions.get(gesture)
            log.info("the button: %s%s", gesture, "" if action else ", which does nothing")
            if action is None:
                continue
            try:
                action()
            except Exception:
                log.exception("what the button's %s does has failed", gesture)
