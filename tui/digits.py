"""Which digit gives which label. The person's own choice, kept in their own configuration."""

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


def default_file() -> Path:
    base = os.environ.get("XDG_CONFIG_HOME") or "~/.config"
    return Path(base).expanduser() / "earmark" / "digits.json"


class Digits:
    """`labels` maps digits to labels. Those that nobody chose follow the labels' own order, and
    keep their digit when a label comes or goes: the fingers know it by then."""

    def __init__(self, file: Path | None = None) -> None:
        self._file = file or default_file()
        self._chosen: dict[str, str] = {}
        self.labels: dict[str, str] = {}
        try:
            content = json.loads(self._file.read_text())
        except (OSError, ValueError):
            content = {}
        if isinstance(content, dict):
            kept = {str(key): str(value) for key, value in content.items()}
            self._chosen = {key: value for key, value in kept.items() if key in DIGITS}

    def know(self, labels: Sequence[Mapping[str, Any]]) -> None:
        """These labels exist: the items of GET /labels."""
        names = [str(row["name"]) for row in labels]
        chosen = {key: name for key, name in self._chosen.items() if name in names}
        kept = {
            key: name
            for key, name in self.labels.items()
            if name in names and key not in chosen and name not in chosen.values()
        }
        self.labels = {**chosen, **kept}
        free = [name for name in names if name not in self.labels.values()]
        for digit in DIGITS:
            if digit not in self.labels and free:
                self.labels[digit] = free.pop(0)

    def choose(self, digit: str, label: str) -> str:
        """Let `digit` stand for `label` from now on; what went wrong in words, or ""."""
        for other in [key for key, name in self._chosen.items() if name == label]:
            del self._chosen[other]
        before = self.labels.get(digit)
        had = next((key for key, name in self.labels.items() if name == label), None)
        if had is not None and had != digit:
            del self.labels[had]
            if before is not None:
                self.labels[had] = before
        self._chosen[digit] = self.labels[digit] = label
        partial = self._file.with_name(f".{self._file.name}.new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(json.dumps(self._chosen, ensure_ascii=False, indent=1))
            partial.replace(self._file)
        except OSError as error:
            with suppress(OSError):
                partial.unlink(missing_ok=True)
            return f"it holds until you leave: {self._file} cannot be written ({error.strerror})"
        return ""

    def digit_of(self, label: str | None) -> str:
        """The digit that gives `label`, or ""."""
        return next((key for key, name in self.labels.items() if name == label), "")

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
