"""`earmark devices`: the microphones that are set up, how they do, and what could be added."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from appliance.audio.capture_state import BROKEN, STREAMING
from appliance.cli.common import (
    State,
    confirmed,
    emit,
    group,
    microphone_path,
    pass_state,
    yes_option,
)
from appliance.cli.output import Column, decibel, fold, note, right, safe, say, table
from appliance.cli.triggers import switch, trigger_options

STARTS_WITHIN_S = 4.0


@group(
    "devices",
    short_help="List microphones; add, change or remove them.",
    invoke_without_command=True,
)
@click.pass_context
@pass_state
def devices(state: State, context: click.Context) -> None:
    """List the microphones that are set up with their state and level, then those available.

    A microphone's source is a device's id, `default`, or `replay:PATH`: a file or a folder
    instead of a device, heard once. `replay:PATH?loop=1` plays it again and again,
    `replay:PATH?speed=4` four times as fast.
    """
    if context.invoked_subcommand is not None:
        return
    with state.client() as client:
        configured = client.get("/microphones")["items"]
        if not state.json:  # at once: the sound server may hang, which delays what follows
            _show_configured(configured)
        found = client.get("/microphones/available")
    available, problem, advice = found["items"], found["problem"], found["advice"]
    if state.json:
        emit(
            {
                "microphones": configured,
                "available": available,
                "problem": problem,
                "advice": advice,
            }
        )
        return
    used = {microphone["source"] for microphone in configured}
    others = [device for device in available if device["id"] not in used]
    say()
    say("Available" if others else "No further device is available.", "bold" if others else None)
    if others:
        table(
            [fold("id"), fold("name"), right("channels"), "rates"],
            [(d["id"], d["name"], d.get("channels"), _rates(d.get("rates") or [])) for d in others],
        )
    if problem:
        note(f"{safe(problem)} ({safe(advice)})", "yellow")


def _show_configured(configured: list[dict[str, Any]]) -> None:
    if configured:
        say("Microphones", "bold")
        show_microphones(configured)
    else:
        say("No microphone is set up. Add one: earmark devices add ID --name NAME")


def show_microphones(microphones: list[dict[str, Any]]) -> None:
    """A table of configured microphones; under it what keeps one of them from working."""
    rows = []
    for microphone in microphones:
        status = microphone.get("status") or {}
        channel = microphone["channel"]
        rows.append(
            (
                microphone["name"],
                microphone["source"],
                status.get("state") or ("off" if not microphone["enabled"] else "stopped"),
                decibel(status.get("level_dbfs")) if status.get("state") in STREAMING else "-",
                f"{status['rate']} Hz" if status.get("rate") else "",
                status.get("lost_frames"),
                f"{microphone['gain_db']:+.0f} dB",
                "mix" if channel is None else str(channel),
                "yes" if microphone["listen"] else "no",
                "off" if microphone["trigger"] is None else "on",
            )
        )
    heads: list[Column | str] = [
        fold("name"),
        fold("source"),
        "state",
        right("level"),
        right("rate"),
        right("lost"),
        right("gain"),
        "channel",
        "listens",
        "trigger",
    ]
    table(heads, rows)
    for microphone in microphones:
        status = microphone.get("status") or {}
        if status.get("detail") and status.get("state") not in ("running", "starting"):
            advice = f" ({safe(status['advice'])})" if status.get("advice") else ""
            say(f"{safe(microphone['name'])}: {safe(status['detail'])}{advice}", "yellow")
        channel, channels = microphone["channel"], status.get("channels")
        if channel is not None and channels and channel >= channels:
            has = "only channel 0" if channels == 1 else f"channels 0 to {channels - 1}"
            name = safe(microphone["name"])
            say(f"{name}: it has {has}, no channel {channel}: all of it is used", "yellow")


def _rates(rates: list[Any]) -> str:
    return ", ".join(f"{rate / 1000:g}" for rate in rates) + (" kHz" if rates else "")


def _channel(_: click.Context, __: click.Parameter, value: str | None) -> str | int | None:
    if value is None or value == "mix":
        return value
    if not value.isdecimal():
        raise click.BadParameter("give 0 for the first channel, 1 for the second, ..., or mix")
    return int(value)


_gain = click.option(
    "--gain",
    "gain_db",
    type=click.FloatRange(-60, 60),
    metavar="DB",
    help="Gain in dB, -60 to 60.",
)
_channel_option = click.option(
    "--channel", callback=_channel, metavar="N|mix", help="Use one channel (from 0) or mix all."
)
_listen = click.option(
    "--listen/--no-listen", default=None, help="Whether the deployed version listens to it."
)


@devices.command("add", short_help="Add a microphone.")
@click.argument("source")
@click.option("--name", help="What it shall be called; the device's own name otherwise.")
@_gain
@_channel_option
@_listen
@pass_state
def add(state: State, source: str, **options: Any) -> None:
    """Add a microphone: SOURCE is an id from `earmark devices`, `default`, or replay:PATH
    (replay:PATH?loop=1 for one that does not end)."""
    body = {"source": _absolute(source), **_given(options)}
    with state.client() as client:
        added = client.post("/microphones", body)
    if state.json:
        emit(added)
    else:
        say(f"{safe(added['name'])} is set up ({safe(added['source'])}).")
        _say_whether_it_is_there(state, added)


def _say_whether_it_is_there(state: State, added: dict[str, Any]) -> None:
    """A source that is not there is kept and tried again; but a mistyped one should be noticed."""
    deadline = time.monotonic() + STARTS_WITHIN_S
    with state.client() as client:
        while True:
            status = client.get(microphone_path(added["id"]))["status"]
            if status["state"] != "starting" or time.monotonic() >= deadline:
                break
            time.sleep(0.1)
    if status["state"] in BROKEN:
        detail = safe(status["detail"]).rstrip(".")
        note(f"It is {status['state']} now: {detail}. It is tried again.", "yellow")
    if status["advice"]:
        note(f"  {safe(status['advice'])}")


@devices.command("set", short_help="Change a microphone.")
@click.argument("name")
@click.option("--name", "new_name", metavar="NAME", help="A new name.")
@_gain
@_channel_option
@_listen
@click.option("--enable/--disable", "enabled", default=None, help="Whether it is opened at all.")
@pass_state
def change(state: State, name: str, new_name: str | None, **options: Any) -> None:
    """Change a microphone's name, gain, channel or listening, while it runs."""
    body = _given({"name": new_name, **options})
    if not body:
        raise click.UsageError("say what to change: --gain, --channel, --listen, --name, ...")
    with state.client() as client:
        changed = client.patch(microphone_path(name), body)
    if state.json:
        emit(changed)
    else:
        show_microphones([changed])


@devices.command("trigger", short_help="Let it record by itself, or not.")
@click.argument("name")
@click.argument("on_or_off", type=click.Choice(["on", "off"]))
@trigger_options
@pass_state
def trigger(state: State, name: str, on_or_off: str, **options: Any) -> None:
    """Record by itself what rises above the background: on or off. `earmark triggers` lists."""
    switch(state, name, on=on_or_off == "on", **options)


@devices.command("remove", short_help="Remove a microphone; its clips stay.")
@click.argument("name")
@yes_option
@pass_state
def remove(state: State, name: str, yes: bool) -> None:
    """Remove a microphone. Its clips and detections stay."""
    with state.client() as client:
        found = client.get(microphone_path(name))
        confirmed(state, f"Remove the microphone {safe(found['name'])}? Its clips stay.", yes)
        client.delete(microphone_path(found["id"]))
    if state.json:
        emit({"removed": found["id"]})
    else:
        say(f"{safe(found['name'])} is removed.")


def _absolute(source: str) -> str:
    """`replay:sounds` as the daemon can find it, whose working folder is another one."""
    kind, colon, rest = source.partition(":")
    if kind != "replay" or not colon:
        return source
    path, mark, query = rest.partition("?")
    here = Path(path).expanduser()
    return f"replay:{here.absolute() if here.exists() else path}{mark}{query}"


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Options that were given, with the channel `mix` as the API's null."""
    given = {key: value for key, value in options.items() if value is not None}
    if given.get("channel") == "mix":
        given["channel"] = None
    return given
