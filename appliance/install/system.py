"""The system that is installed on: commands that are run, and refused in words when they fail."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Protocol

from appliance.errors import EarmarkError


class InstallFailed(EarmarkError):
    """A step of an installation failed; what was before still runs."""


class System(Protocol):
    def run(self, *words: str, timeout_s: float = 300.0) -> str:
        """Run a command and return what it printed. Raises InstallFailed."""

    def asks(self, *words: str) -> bool:
        """Whether a command that answers by its exit status says yes."""


class RealSystem:
    """Runs commands as they are given: no shell, nothing on standard input."""

    def run(self, *words: str, timeout_s: float = 300.0) -> str:
        try:
            done = subprocess.run(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
                timeout=timeout_s,
                check=False,
            )
        except FileNotFoundError:
            raise InstallFailed(
                f"the command {words[0]} is not there", "install the package that brings it"
            ) from None
        except subprocess.TimeoutExpired:
            raise InstallFailed(
                f"`{' '.join(words)}` did not end within {timeout_s:.0f} s", "try again"
            ) from None
        if done.returncode != 0:
            raise InstallFailed(
                f"`{' '.join(words)}` failed: {_last_lines(done.stdout)}",
                "mend what it says; then run the same command again: it goes on where it stopped",
            )
        return done.stdout

    def asks(self, *words: str) -> bool:
        try:
            done = subprocess.run(
                words, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
            )
        except (FileNotFoundError, subprocess.TimeoutExpired):
            return False
        return done.returncode == 0


def _last_lines(text: str, most: int = 6) -> str:
    lines: Sequence[str] = [line.strip() for line in text.splitlines() if line.strip()]
    return " / ".join(lines[-most:]) or "it said nothing"
