"""What the box records by itself: every day at a time, and background over time."""

from __future__ import annotations

from typing import Any

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
from appliance.cli.durations import DURATION, DURATION_OR_ZERO
from appliance.cli.output import count, fold, right, safe, say, table
from appliance.errors import InvalidInput
from appliance.units import human_duration

# --- schedule ------------------------------------------------------------------------------------


@group("schedule", short_help="Record every day at a time.", invoke_without_command=True)
@click.pass_context
@pass_state
def schedule(state: State, context: click.Context) -> None:
    """List the daily recordings."""
    if context.invoked_subcommand is not None:
        return
    with state.client() as client:
        page = client.get("/schedules")
        names = microphone_names(client)
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say("Nothing is scheduled. Add one: earmark schedule add MICROPHONE 06:30 60s")
        return
    table(
        [right("id"), fold("microphone"), "at", right("length"), fold("label"), "last run"],
        [
            (
                row["id"],
                names.get(row["microphone"], row["microphone"]),
                row["at"],
                human_duration(row["seconds"]),
                row["label"],
                row.get("last_run_on") or "never",
            )
            for row in page["items"]
        ],
    )


@schedule.command("add", short_help="Record every day at a time.")
@click.argument("microphone")
@click.argument("at", metavar="HH:MM")
@click.argument("seconds", type=DURATION)
@click.option("--label", metavar="LABEL", help="Label the clips.")
@pass_state
def schedule_add(state: State, microphone: str, at: str, seconds: float, label: str | None) -> None:
    """Record from MICROPHONE every day at HH:MM (local time) for so long."""
    body = {"microphone": microphone, "at": at, "seconds": seconds, "label": label}
    with state.client() as client:
        made = client.post("/schedules", body)
    if state.json:
        emit(made)
    else:
        length = human_duration(made["seconds"])
        say(f"Schedule {made['id']}: {length} every day at {safe(made['at'])}.")


@schedule.command("remove", short_help="Remove a daily recording.")
@click.argument("identifier", metavar="ID", type=int)
@yes_option
@pass_state
def schedule_remove(state: State, identifier: int, yes: bool) -> None:
    """Remove a daily recording; its clips stay."""
    with state.client() as client:
        known = {row["id"]: row for row in client.get("/schedules")["items"]}
        if identifier not in known:
            raise InvalidInput(f"there is no schedule {identifier}", "see `earmark schedule`")
        at = safe(known[identifier]["at"])
        confirmed(state, f"Remove schedule {identifier}, every day at {at}?", yes)
        client.delete(f"/schedules/{identifier}")
    if state.json:
        emit({"removed": identifier})
    else:
        say(f"Schedule {identifier} is removed.")


# --- background ----------------------------------------------------------------------------------


@group("background", short_help="Gather background samples over time.", invoke_without_command=True)
@click.pass_context
@pass_state
def background(state: State, context: click.Context) -> None:
    """List what gathers background samples now.

    A class `background` of what the box hears all day keeps it from reporting that.
    """
    if context.invoked_subcommand is not None:
        return
    with state.client() as client:
        page = client.get("/background")
        names = microphone_names(client)
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say(
            "Nothing is gathered. Begin: earmark background start MICROPHONE --samples 20 --over 2h"
        )
        return
    for row in page["items"]:
        _say_background(row, names)


@background.command("start", short_help="Gather samples, spread over a time.")
@click.argument("microphone")
@click.option(
    "--samples", type=click.IntRange(1, 1000), default=20, show_default=True, help="How many."
)
@click.option(
    "--over",
    "over_s",
    type=DURATION_OR_ZERO,
    default="1h",
    show_default=True,
    help="Spread over so long.",
)
@click.option(
    "--length", "seconds", type=DURATION, default="5s", show_default=True, help="Of each sample."
)
@click.option(
    "--label", default="background", show_default=True, metavar="LABEL", help="Their label."
)
@click.option("--no-label", is_flag=True, help="Leave them without a label, to be looked at first.")
@pass_state
def background_start(state: State, microphone: str, no_label: bool, **options: Any) -> None:
    """Record short samples of MICROPHONE now and then, and label them `background`.

    Make sure that the sounds to be learned do not happen meanwhile, or use --no-label.
    """
    body = {"microphone": microphone, **options}
    if no_label:
        body["label"] = None
    with state.client() as client:
        made = client.post("/background", body)
        names = microphone_names(client)
    if state.json:
        emit(made)
    else:
        _say_background(made, names)


@background.command("stop", short_help="Stop gathering; what was gathered stays.")
@click.argument("identifier", metavar="ID")
@pass_state
def background_stop(state: State, identifier: str) -> None:
    """Stop gathering; what was gathered stays."""
    from appliance.client import quoted

    with state.client() as client:
        ended = client.delete(f"/background/{quoted(identifier)}")
        names = microphone_names(client)
    if state.json:
        emit(ended)
    else:
        _say_background(ended, names)


def _say_background(row: dict[str, Any], names: dict[str, str]) -> None:
    where = safe(names.get(row["microphone"], row["microphone"]))
    label = f" labelled {safe(row['label'])}" if row["label"] else ""
    skipped = f", {row['skipped']} dropped" if row["skipped"] else ""
    following = f", next in {human_duration(row['next_in_s'])}" if row["next_in_s"] else ""
    say(
        f"{row['id']}  {where}: {row['state']}, {row['gathered']} of "
        f"{count(row['samples'], 'sample')}{label}{skipped}{following}"
    )
    if row["detail"]:
        say(f"  {safe(row['detail'])}", "yellow")
