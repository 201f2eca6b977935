"""Which digit gives which label: what the person chose, and what was filled in for them.

Both are kept in the person's own configuration, on the computer where this screen runs: fingers
belong to a person, and two people at one box may have other habits. What was chosen holds at every
box; what was filled in, at the box whose labels it was made of.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.cells import cell_len

from tui.draw import fit

DIGITS = "123456789"
CHOSEN, FILLED = "chosen", "filled"
MOST_PLACES = 50
"""Boxes of which is kept what was filled in."""
_Map = dict[str, str]


def default_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "earmark" / "digits.json"


class Digits:
    """`labels` maps digits to labels. Those that nobody chose follow the labels' own order when
    they are first seen, and keep their digit from then on, also when a label comes or goes and
    the next time: the fingers know it by then."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or default_file()
        self._place = ""
        self._chosen: _Map = {}
        self._filled: _Map = {}
        """At this box; a label that has gone keeps its digit until another one needs it."""
        self.labels: _Map = {}
        self.trouble = ""
        """Why the map does not outlast this run, in words; "" when it does."""

    def know(self, labels: Sequence[Mapping[str, Any]], place: str = "") -> None:
        """These labels exist: the items of GET /labels. place: what tells this box from others."""
        self._read(place)
        names = [str(row["name"]) for row in labels]
        chosen = {key: name for key, name in self._chosen.items() if name in names}
        filled = {
            key: name
            for key, name in self._filled.items()
            if name in names and key not in chosen and name not in chosen.values()
        }
        self.labels = {**chosen, **filled}
        free = [name for name in names if name not in self.labels.values()]
        for digit in DIGITS:
            if digit not in self.labels and free:
                self.labels[digit] = free.pop(0)
        self._remember()

    def renamed(self, old: str, new: str) -> None:
        """A label has another name now: its digit stays."""
        self._read(self._place)
        for kept in (self._chosen, self._filled, self.labels):
            if new not in kept.values():
                kept.update({key: new for key, name in kept.items() if name == old})
        self._remember()

    def choose(self, digit: str, label: str) -> str:
        """Let `digit` stand for `label` from now on; what went wrong in words, or ""."""
        self._read(self._place)
        for other in [key for key, name in self._chosen.items() if name == label]:
            del self._chosen[other]
        before = self.labels.get(digit)
        had = next((key for key, name in self.labels.items() if name == label), None)
        if had is not None and had != digit:
            del self.labels[had]
            if before is not None:
                self.labels[had] = before
        self._chosen[digit] = self.labels[digit] = label
        self._remember()
        return self.trouble

    def line(self, width: int) -> str:
        """`1 kettle  2 door …` in at most `width` cells."""
        parts = [f"{key} {self.labels[key]}" for key in DIGITS if key in self.labels]
        if not parts:
            return "No label yet: l makes one"
        most = max(cell_len(part) for part in parts)
        # The longest names give way first.
        while most > 4 and sum(min(cell_len(part), most) + 2 for part in parts) - 2 > width:
            most -= 1
        return "  ".join(fit(part, min(cell_len(part), most)) for part in parts)

    # --- the file ------------------------------------------------------------------------------

    def _read(self, place: str) -> None:
        """What is kept of the box at `place`: another screen may have written meanwhile."""
        if self.trouble and place == self._place:
            return  # what was done since stands nowhere else
        content = self._content()
        self._place = place
        self._chosen = _map(content.get(CHOSEN))
        self._filled = _map(_dict(content.get(FILLED)).get(place))

    def _content(self) -> dict[str, Any]:
        try:
            content = json.loads(self._file.read_text())
        except (OSError, ValueError):
            content = {}
        if set(_dict(content)) & set(DIGITS):
            return {CHOSEN: content}  # of an earlier release: only what was chosen
        return _dict(content)

    def _remember(self) -> None:
        """Keep what is at work now, beside what is kept of other boxes."""
        filled = {key: name for key, name in self.labels.items() if self._chosen.get(key) != name}
        taken = {*self.labels.values(), *self._chosen.values()}
        gone = {
            key: name
            for key, name in self._filled.items()
            if key not in self.labels and name not in taken
        }
        self._filled = {**gone, **filled}
        before = self._content()
        places = _dict(before.get(FILLED))
        others = [place for place in places if place != self._place][-MOST_PLACES:]
        places = {place: places[place] for place in others} | {self._place: self._filled}
        content = {CHOSEN: self._chosen, FILLED: places}
        if content == before or (not before and not self._chosen and not self._filled):
            self.trouble = ""
            return
        partial = self._file.with_name(f".{self._file.name}.{os.getpid()}.new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(content, ensure_ascii=False, indent=1))
            partial.replace(self._file)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            self.trouble = (
                f"the digits hold until you leave: {self._file} cannot be written "
                f"({error.strerror})"
            )
        else:
            self.trouble = ""


def _dict(content: Any) -> dict[str, Any]:
    return content if isinstance(content, dict) else {}


def _map(content: Any) -> _Map:
    """Only digits, whatever a person wrote into the file."""
    kept = {str(key): str(value) for key, value in _dict(content).items()}
    return {key: value for key, value in kept.items() if key in set(DIGITS)}
