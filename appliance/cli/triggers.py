"""`earmark triggers`: what rises above the background is recorded without anybody asking."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from appliance.cli.common import State, emit, group, microphone_path, pass_state
from appliance.cli.durations import DURATION, DURATION_OR_ZERO
from appliance.cli.output import fold, right, safe, say, table

F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = ("rise_db", "preroll_s", "postroll_s", "max_s", "max_per_hour")


@group(
    "triggers",
    short_help="Record by itself what rises above quiet.",
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
    if trigger is None:
        return (microphone["name"], "off", "", "", "", "", "")
    values = [trigger.get(name) for name in _SETTINGS]
    units = ("dB", "s", "s", "s", "")
    shown = [
        "default" if value is None else f"{value:g} {unit}".strip()
        for value, unit in zip(values, units, strict=True)
    ]
    return (microphone["name"], "on", *shown)


_OPTIONS = (
    click.option(
        "--rise",
        "rise_db",
        type=float,
        metavar="DB",
        help="Begin when it is so much louder than the background.",
    ),
    click.option(
        "--pre-roll", "preroll_s", type=DURATION_OR_ZERO, help="So much sound from before that."
    ),
    click.option("--post-roll", "postroll_s", type=DURATION, help="End after so much quiet."),
    click.option("--longest", "max_s", type=DURATION, help="End after so long, whatever sounds."),
    click.option(
        "--per-hour",
        "max_per_hour",
        type=int,
        metavar="N",
        help="So many recordings an hour at most.",
    ),
)


def trigger_options(function: F) -> F:
    """When a trigger records; what is not given stays as it is."""
    for option in reversed(_OPTIONS):
        function = option(function)
    return function


@triggers.command("on", short_help="Turn a trigger on, or change it.")
@click.argument("microphone")
@trigger_options
@pass_state
def trigger_on(state: State, microphone: str, **options: Any) -> None:
    """Record by itself what rises above the background of MICROPHONE. It stays on over restarts.

    What is not given stays as it was, or as `earmark.toml` says.
    """
    switch(state, microphone, on=True, **options)


@triggers.command("off", short_help="Turn a trigger off.")
@click.argument("microphone")
@pass_state
def trigger_off(state: State, microphone: str) -> None:
    """Stop recording by itself. What has been recorded stays."""
    switch(state, microphone, on=False)


def switch(state: State, microphone: str, *, on: bool, **settings: Any) -> None:
    """Turn a trigger on, with the settings that are not None, or off; and say so."""
    with state.client() as client:
        found = client.get(microphone_path(microphone))
        path = microphone_path(found["id"])
        before = {k: v for k, v in (found["trigger"] or {}).items() if k in _SETTINGS}
        given = {key: value for key, value in settings.items() if value is not None}
        client.put(f"{path}/trigger", {**before, **given} if on else None)
        changed = client.get(path)
    if state.json:
        emit({key: changed[key] for key in ("id", "name", "trigger")})
    else:
        # A trigger that is on with the settings' defaults alone is an empty object.
        now = "off" if changed["trigger"] is None else "on"
        say(f"The trigger of {safe(changed['name'])} is {now}.")
