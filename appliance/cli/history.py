"""`earmark history`: the last hours of each microphone."""

from __future__ import annotations

import click

from appliance.cli.common import (
    State,
    confirmed,
    emit,
    group,
    microphone_names,
    pass_state,
    yes_option,
)
from appliance.cli.durations import DURATION, DURATION_OR_ZERO, PAST
from appliance.cli.output import fold, moment, right, safe, say, table
from appliance.units import human_duration, human_size


@group(
    "history",
    short_help="The last hours of each microphone: pause, cut, forget.",
    invoke_without_command=True,
)
@click.pass_context
@pass_state
def history(state: State, context: click.Context) -> None:
    """Show how much is kept of each microphone. New versions are heard against it before they
    listen (`earmark deploy`, `earmark compare`)."""
    if context.invoked_subcommand is None:
        _show(state, "get")


def _show(state: State, method: str, path: str = "/history") -> None:
    from appliance.cli.status import describe_history

    with state.client() as client:
        seen = getattr(client, method)(path)
        names = {} if state.json else microphone_names(client)
    if state.json:
        emit(seen)
        return
    say(f"History: {safe(describe_history(seen))}")
    if seen["microphones"]:
        table(
            [fold("microphone"), right("length"), right("size"), "from", "to"],
            [
                (
                    names.get(row["microphone"], row["microphone"]),
                    human_duration(row["seconds"]),
                    human_size(row["bytes"]),
                    moment(row["oldest_at"]),
                    moment(row["newest_at"]),
                )
                for row in seen["microphones"]
            ],
        )


@history.command("pause", short_help="Keep nothing until it is resumed.")
@pass_state
def pause(state: State) -> None:
    """Keep nothing from now on, also over a restart. What is there stays: see `forget`."""
    _show(state, "post", "/history/pause")


@history.command("resume", short_help="Keep the last hours again.")
@pass_state
def resume(state: State) -> None:
    """Keep the last hours of each microphone again."""
    _show(state, "post", "/history/resume")


@history.command("forget", short_help="Remove all that is kept.")
@yes_option
@pass_state
def forget(state: State, yes: bool) -> None:
    """Remove everything that is kept of every microphone. Clips stay."""
    confirmed(state, "Remove the history of every microphone for ever?", yes)
    with state.client() as client:
        client.delete("/history")
    _show(state, "get")


@history.command("cut", short_help="Make a clip of a stretch.")
@click.argument("microphone")
@click.argument("when", type=PAST)
@click.argument("start", type=DURATION_OR_ZERO)
@click.argument("end", type=DURATION)
@click.option("--label", metavar="LABEL", help="Label the clip.")
@pass_state
def cut(
    state: State, microphone: str, when: int | float, start: float, end: float, label: str | None
) -> None:
    """Make a clip of MICROPHONE's history, from START to END seconds after WHEN: a time (14:05,
    '2025-11-23 14:05', 10m or '10 minutes ago'), or the number of a minute as `earmark compare`
    names it.

    `earmark history cut yard 14:05 30 35 --label kettle`: five seconds, half a minute after 14:05.
    """
    body = {
        "microphone": microphone,
        "minute" if isinstance(when, int) else "at": when,
        "start_s": start,
        "end_s": end,
        "label": label,
    }
    with state.client() as client:
        made = client.post("/history/cut", body)
    if state.json:
        emit(made)
    else:
        named = f"labelled {safe(made['label'])}" if made["label"] else "without a label"
        say(f"Clip {made['id']}, {human_duration(made['duration_s'])}, {named}.")
