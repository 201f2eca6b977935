"""The power mode is raised for a training and put back after it, whatever happens in between.

What it was is written down in the data folder before anything is raised, and crossed out only
when the board has said that it is back: a daemon that was killed, or a reboot (which keeps the
raised mode), finds the note at its next start.
"""

from __future__ import annotations

import json
import logging
import os
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from appliance import clock
from appliance.events import Event, EventBus
from appliance.paths import DataFolder, fsync_folder
from appliance.periodic import Periodic
from firmware_hooks.power_control import PowerControl
from firmware_hooks.power_mode import PowerMode, PowerModes, Request

log = logging.getLogger(__name__)

ANSWER_S = 90.0
AGAIN_S = 300.0
_LOOK_S = 1.0


@dataclass(frozen=True)
class Note:
    """The modes' numbers before a training, and during it."""

    before: int
    raised: int


class PowerRaiser:
    """`training` says whether a job holds the slot. Without a wish in the settings it only puts
    back what an earlier daemon left raised."""

    def __init__(
        self,
        wish: str,
        control: PowerControl,
        folder: DataFolder,
        bus: EventBus,
        training: Callable[[], bool],
    ) -> None:
        """wish: "max", a mode's name or number, or "" to leave the mode as it is."""
        self._wish = wish.strip()
        self._control = control
        self._file = folder.root / "power-mode.json"
        self._bus = bus
        self._training = training
        self._problems = {"raise": "", "back": ""}
        self._note = self._read_note()
        self._asked: Request | None = None
        self._asked_at = 0.0
        self._gave_up = False  # for the training that runs now
        self._periodic = Periodic(
            "power mode", self.look, lambda: _LOOK_S if self._asked is not None else AGAIN_S
        )
        self._unsubscribe: Callable[[], None] = lambda: None

    def start(self) -> None:
        if not self._wish and self._note is None:
            return
        self._unsubscribe = self._bus.subscribe(self._told)
        self._periodic.start()

    def stop(self) -> None:
        """Ask for what was before; the note stays until it is known to be back."""
        self._unsubscribe()
        self._periodic.stop()
        if self._note is not None:
            self._ask_back(self._note)

    @property
    def problem(self) -> str:
        """Why the mode could not be put back, or else raised; empty when all is well."""
        return self._problems["back"] or self._problems["raise"]

    def look(self) -> None:
        """One step: ask for what is wanted now, or see what came of the last question."""
        training = self._training()
        if not training:
            self._gave_up = False
        if self._asked is not None:
            self._see_answer(self._asked)
        elif training and self._note is None and self._wish and not self._gave_up:
            self._raise()
        elif not training and self._note is not None:
            self._ask_back(self._note)

    # --- inside --------------------------------------------------------------------------------

    def _told(self, event: Event) -> None:
        if event.topic == "job":
            self._periodic.wake()

    def _raise(self) -> None:
        modes = self._control.modes()
        target = self._target(modes)
        if target is None or modes.current is None:
            self._gave_up = True
            names = ", ".join(mode.name for mode in modes.all) or "none"
            self._complain("raise", f"there is no power mode {self._wish!r}; the board has {names}")
            return
        self._write_note(Note(modes.current.id, target.id))
        self._ask(Request(uuid.uuid4().hex, target.id, True))

    def _target(self, modes: PowerModes) -> PowerMode | None:
        return modes.strongest if self._wish.lower() == "max" else modes.named(self._wish)

    def _ask_back(self, note: Note) -> None:
        current = self._control.modes().current
        # Somebody has chosen another one meanwhile: theirs stays.
        mode = note.before if current is None or current.id == note.raised else None
        self._ask(Request(uuid.uuid4().hex, mode, False))

    def _ask(self, request: Request) -> None:
        if self._control.ask(request):
            self._asked, self._asked_at = request, clock.seconds()
            return
        self._complain(
            "raise" if request.clocks else "back",
            "there is nobody to change the power mode: install the service",
        )
        if request.clocks:
            self._gave_up = True
            self._write_note(None)

    def _see_answer(self, asked: Request) -> None:
        result = self._control.result()
        if result is None or result.id != asked.id:
            if clock.seconds() - self._asked_at > ANSWER_S:
                self._asked = None
                self._gave_up = asked.clocks
                self._complain(
                    "raise" if asked.clocks else "back",
                    "nobody answers: is earmark-power.path enabled?",
                )
            return
        self._asked = None
        if result.outcome == "done":
            self._problems["back"] = ""
            if asked.clocks:
                self._problems["raise"] = ""
            log.info(
                "the power mode is %s (now %s)", "raised" if asked.clocks else "back", result.mode
            )
            if not asked.clocks:
                self._write_note(None)
        elif asked.clocks:
            # The mode stayed; the clocks may not have: the next look asks for both back.
            self._gave_up = True
            self._complain("raise", f"the power mode was not raised: {result.detail}")
            if self._note is not None:
                self._ask_back(self._note)
        else:
            self._complain("back", f"the power mode could not be put back: {result.detail}")
            if result.outcome == "needs reboot":
                self._write_note(None)

    def _complain(self, what: str, problem: str) -> None:
        if problem != self._problems[what]:
            log.warning("%s", problem)
        self._problems[what] = problem

    def _read_note(self) -> Note | None:
        try:
            found = json.loads(self._file.read_text())
            return Note(int(found["before"]), int(found["raised"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.error("%s cannot be read: %s", self._file, error)
            return None

    def _write_note(self, note: Note | None) -> None:
        """Durable when it returns, since a power cut may be next."""
        self._note = note
        if note is None:
            self._file.unlink(missing_ok=True)
        else:
            fresh = Path(f"{self._file}.new")
            with fresh.open("w") as file:
                json.dump(asdict(note), file)
                file.flush()
                os.fsync(file.fileno())
            fresh.replace(self._file)
        fsync_folder(self._file.parent)
