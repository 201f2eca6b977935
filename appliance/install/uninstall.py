"""`earmark uninstall`: everything goes but the sounds, unless they are to go, too."""

from __future__ import annotations

import shutil
from pathlib import Path

from appliance.install.places import SERVICE, STARTED, USER, Places
from appliance.install.steps import Step, Tell, carry_out
from appliance.install.system import System


def uninstall(
    places: Places, system: System, tell: Tell, *, remove_data: bool, dry_run: bool
) -> None:
    """Stop and remove the service. Doing it again changes nothing."""
    files = [*places.files().values(), places.command, places.current]
    steps = [
        Step(
            f"stop {SERVICE}",
            [f"systemctl disable --now {' '.join(STARTED)}"],
            lambda: not any((places.units / unit).exists() for unit in STARTED),
            lambda: _stop(system),
        ),
        *[_removal(path) for path in files],
        Step(
            "tell systemd",
            ["systemctl daemon-reload"],
            lambda: False,
            lambda: _said(system.run("systemctl", "daemon-reload")),
        ),
        _removal(places.home),
    ]
    if remove_data:
        steps += [
            _removal(places.data),
            Step(
                f"user {USER}",
                [f"userdel {USER}"],
                lambda: not system.asks("getent", "passwd", USER),
                lambda: _said(system.run("userdel", USER)),
            ),
        ]
    carry_out(steps, tell, dry_run=dry_run)
    if dry_run:
        tell("nothing was changed: this was a dry run")
    elif not remove_data:
        tell(f"your sounds, labels and versions are still in {places.data}")


def _stop(system: System) -> None:
    for unit in STARTED:
        # One that is not there need not be stopped.
        if system.asks("systemctl", "cat", unit):
            system.run("systemctl", "disable", "--now", unit)


def _removal(path: Path) -> Step:
    def do() -> None:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink()

    return Step(f"remove {path}", [], lambda: not (path.exists() or path.is_symlink()), do)


def _said(_output: str) -> None:
    """What a successful command printed."""
