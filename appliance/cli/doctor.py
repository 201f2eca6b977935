"""`earmark doctor`: asks the daemon, and without one looks at what needs none."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path
from typing import Any

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.output import note, safe, say

_STYLES = {"ok": "green", "warning": "yellow", "failing": "bold red"}


@command("doctor", short_help="What is wrong with the box, and what to do about it.")
@pass_state
def doctor(state: State) -> None:
    """Look at everything that can go wrong, and say what to do about each.

    The daemon is asked; without one the checks that need none look at the data folder, and write
    nothing there. The exit status is 1 when a check fails.
    """
    seen = health(state)
    if state.json:
        emit(seen)
    else:
        for check in seen["checks"]:
            say(
                f"{check['state']:<14}  {check['name']:<12} {safe(check['says'])}",
                _STYLES.get(check["state"]),
            )
            if check["advice"] and check["state"] in ("warning", "failing"):
                say(f"{'':<29}{safe(check['advice'])}")
    if seen["state"] == "failing":
        raise click.exceptions.Exit(1)


def health(state: State) -> dict[str, Any]:
    """What GET /health answers; without a daemon, the checks that need none, after one that says
    that there is none."""
    from appliance.client import DaemonUnreachable

    try:
        with state.client() as client:
            answered: dict[str, Any] = client.get("/health")
            return answered
    except DaemonUnreachable as error:
        if state.url or (state.data is None and os.environ.get("EARMARK_URL")):
            raise  # it was asked about another address, and of that nothing is known here
        return _without_daemon(state, error.message)


def _without_daemon(state: State, why: str) -> dict[str, Any]:
    from appliance.care.check import report
    from appliance.care.checks import daemon
    from appliance.care.health import guarded, look_without_daemon
    from appliance.errors import InvalidInput
    from appliance.paths import DataFolder, default_data_folder
    from appliance.settings import Settings
    from appliance.settings_reading import load

    folder = DataFolder((state.data or default_data_folder()).expanduser())
    first = guarded(daemon.NAME, lambda: daemon.check(folder.lock, why))
    try:
        read = load(folder.settings)
    except (InvalidInput, OSError):
        read = Settings()  # the check of them says why
    if not state.json:
        note("No daemon answers: only what can be seen without one.")
    others = look_without_daemon(folder, read, Path("/"))
    return dataclasses.asdict(report([first, *others.checks]))
