"""`earmark pause` and `earmark resume`."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.durations import DURATION
from appliance.cli.output import safe, say


@command("pause", short_help="Close every microphone, for privacy.")
@click.option("--for", "for_s", type=DURATION, help="So long, e.g. 1h; else until `resume`.")
@click.option("--reason", default="privacy", show_default=True, help="Said wherever it shows.")
@pass_state
def pause(state: State, for_s: float | None, reason: str) -> None:
    """Close every microphone: nothing is heard, recorded or kept until `earmark resume`, over a
    restart of the box too. What was recorded before stays."""
    with state.client() as client:
        now = client.post("/privacy/pause", {"for_s": for_s, "reason": reason})
    _show(state, now)


@command("resume", short_help="Listen again after a pause.")
@pass_state
def resume(state: State) -> None:
    """Open the microphones again, whatever they were closed for."""
    with state.client() as client:
        now = client.post("/privacy/resume")
    _show(state, now)


def _show(state: State, now: dict[str, Any]) -> None:
    if state.json:
        emit(now)
        return
    say(safe(now["detail"]).capitalize() if now["paused"] else "Listening.")
    if not now["written"]:
        say("The disk refused to keep this: a restart would undo it. Free some space.", "yellow")
