"""What the box records by itself: triggers, daily schedules and background over time."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli.common import State, confirmed, emit, group, pass_state, yes_option
from appliance.cli.devices import microphone_path
from appliance.cli.durations import DURATION, DURATION_OR_ZERO
from appliance.cli.output import count, fold, moment, right, safe, say, table
from appliance.units import human_duration

# --- triggers ------------------------------------------------------------------------------------

_SETTINGS = ("rise_db", "preroll_s", "postroll_s", "max_s", "max_per_hour")


@group(
    "triggers",
    short_help="Let the box record by itself what rises above quiet.",
    invoke_without_command=True,
)
@click.pass_context
@pass_state
def triggers(state: State, context: click.Context) -> None:
    """Show which microphones record by themselves what rises above the background.

    What they record waits without a label: `earmark clips --unlabelled --source trigger`.
    """
    if context.invoked_subcommand is not None:
        return
    with state.client() as client:
        microphones = client.get("/microphones")["items"]
    if state.json:
        emit({"items": [{k: m[k] for k in ("id", "name", "trigger")} for m in microphones]})
        return
    if not microphones:
        say("No microphone is set up. Add one: earmark devices add ID --name NAME")
        return
    table(
        [
            fold("microphone"),
            "trigger",
            right("rise"),
            right("before"),
            right("after"),
            right("longest"),
            right("an hour"),
        ],
        [_trigger_row(microphone) for microphone in microphones],
    )


def _trigger_row(microphone: dict[str, Any]) -> tuple[Any, ...]:
    trigger = microphone["trigger"]
    if not trigger:
        return (microphone["name"], "off", "", "", "", "", "")
    values = [trigger.get(name) for name in _SETTINGS]
    units = ("dB", "s", "s", "s", "")
    shown = [
        "default" if value is None else f"{value:g} {unit}".strip()
        for value, unit in zip(values, units, strict=True)
    ]
    return (microphone["name"], "on", *shown)


@triggers.command("on", short_help="Turn a trigger on, or change it.")
@click.argument("microphone")
@click.option("--rise", "rise_db", type=float, metavar="DB", help="So far above the background.")
@click.option("--pre-roll", "preroll_s", type=DURATION_OR_ZERO, help="Kept from before the rise.")
@click.option("--post-roll", "postroll_s", type=DURATION, help="Silence that ends a recording.")
@click.option("--longest", "max_s", type=DURATION, help="Longest recording.")
@click.option("--per-hour", "max_per_hour", type=int, metavar="N", help="At most so many an hour.")
@pass_state
def trigger_on(state: State, microphone: str, **options: Any) -> None:
    """Record by itself what rises above the background of MICROPHONE. It stays on over restarts.

    What is not given stays as it was, or as `earmark.toml` says.
    """
    with state.client() as client:
        found = client.get(microphone_path(microphone))
        before = {k: v for k, v in (found["trigger"] or {}).items() if k in _SETTINGS}
        body = {**before, **{key: value for key, value in options.items() if value is not None}}
        client.put(f"{microphone_path(found['id'])}/trigger", body)
        _say_trigger(state, client.get(microphone_path(found["id"])))


@triggers.command("off", short_help="Turn a trigger off.")
@click.argument("microphone")
@pass_state
def trigger_off(state: State, microphone: str) -> None:
    """Stop recording by itself. What has been recorded stays."""
    with state.client() as client:
        found = client.get(microphone_path(microphone))
        client.put(f"{microphone_path(found['id'])}/trigger", None)
        _say_trigger(state, client.get(microphone_path(found["id"])))


def _say_trigger(state: State, microphone: dict[str, Any]) -> None:
    if state.json:
        emit({key: microphone[key] for key in ("id", "name", "trigger")})
    else:
        on = "on" if microphone["trigger"] else "off"
        say(f"The trigger of {safe(microphone['name'])} is {on}.")


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
                row["microphone"],
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
    confirmed(state, f"Remove schedule {identifier}?", yes)
    with state.client() as client:
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
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say(
            "Nothing is gathered. Begin: earmark background start MICROPHONE --samples 20 --over 2h"
        )
        return
    for row in page["items"]:
        _say_background(row)


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
    if state.json:
        emit(made)
    else:
        _say_background(made)


@background.command("stop", short_help="Stop gathering; what was gathered stays.")
@click.argument("identifier", metavar="ID")
@pass_state
def background_stop(state: State, identifier: str) -> None:
    """Stop gathering; what was gathered stays."""
    from appliance.client import quoted

    with state.client() as client:
        client.delete(f"/background/{quoted(identifier)}")
    if state.json:
        emit({"stopped": identifier})
    else:
        say(f"Gathering {safe(identifier)} is stopped.")


def _say_background(row: dict[str, Any]) -> None:
    taken = row.get("taken", row.get("done", 0))
    ends = row.get("ends_at")
    tail = f", until {moment(ends)}" if ends else ""
    samples = count(row["samples"], "sample")
    label = f" labelled {safe(row['label'])}" if row.get("label") else ""
    say(f"{row['id']}  {safe(row['microphone'])}: {taken} of {samples}{label}{tail}")
