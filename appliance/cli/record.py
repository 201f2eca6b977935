"""`earmark record`: from one or several microphones, with the level and the time while it runs."""

from __future__ import annotations

import signal
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, emit, microphone_names, pass_state
from appliance.cli.durations import DURATION, DURATION_OR_ZERO
from appliance.cli.output import count, decibel, draw, level_bar, live_display, note, safe, say
from appliance.errors import InvalidInput
from appliance.text import did_you_mean
from appliance.units import human_duration

if TYPE_CHECKING:
    from appliance.client import Client

GOING_ON = ("recording", "storing")
LOOK_EVERY_S = 0.25
PLAIN_EVERY_S = 5.0


@command("record", short_help="Record from one or several microphones.")
@click.argument("seconds", type=DURATION, required=False)
@click.option("--seconds", "seconds_option", type=DURATION, help="The same as the argument.")
@click.option(
    "--microphone",
    "--mic",
    "-m",
    "names",
    multiple=True,
    metavar="NAME",
    help="Which; repeatable. Without it: the only one that is set up.",
)
@click.option("--all", "every", is_flag=True, help="Every microphone that works.")
@click.option("--label", metavar="LABEL", help="Label the clips.")
@click.option(
    "--pre-roll", type=DURATION_OR_ZERO, default=0.0, help="Begin so long before now, from memory."
)
@pass_state
def record(
    state: State,
    seconds: float | None,
    seconds_option: float | None,
    names: tuple[str, ...],
    every: bool,
    label: str | None,
    pre_roll: float,
) -> None:
    """Record for SECONDS (90, 90s, 5m), or until Ctrl-C.

    What is longer than a minute becomes consecutive clips of one session. Several microphones at
    once are one session too. What was recorded is kept however it ends. A microphone that goes
    away is waited for until the planned end; what is missing is said.
    """
    if seconds is not None and seconds_option is not None:
        raise click.UsageError("give the seconds once")
    seconds = seconds if seconds is not None else seconds_option
    with state.client() as client:
        chosen = list(names) or _default(client, every)
        if label is not None:
            _say_if_new(client, label)
        started = client.post(
            "/recordings",
            {
                "microphones": chosen,
                "seconds": seconds,
                "label": label,
                "pre_roll_s": pre_roll,
            },
        )["items"]
        ids = [recording["id"] for recording in started]
        interrupted = False
        with _hangup_is_interrupt(), _kept_is_said():
            try:
                recordings = _watch(state, client, ids)
            except KeyboardInterrupt:
                interrupted = True
                recordings = [client.post(f"/recordings/{number}/stop") for number in ids]
            called = microphone_names(client)
    if state.json:
        emit({"items": recordings})
    else:
        for recording in recordings:
            _say(recording, called.get(recording["microphone"], recording["microphone"]))
    if interrupted and seconds is not None:
        raise click.exceptions.Exit(130)
    bad = any(recording["state"] != "stored" for recording in recordings)
    raise click.exceptions.Exit(1 if bad else 0)


def _say_if_new(client: Client, label: str) -> None:
    """A recording is not refused for its label, since the moment does not come again; but one that
    was mistyped should be noticed."""
    known = [row["name"] for row in client.get("/labels")["items"]]
    if label not in known:
        meant = did_you_mean(label, known)
        hint = f"; {meant} Then `earmark labels merge` joins the two" if meant else ""
        note(f"{safe(label)} is a new label{safe(hint)}", "yellow")


def _default(client: Client, every: bool) -> list[str]:
    microphones = [m for m in client.get("/microphones")["items"] if m["enabled"]]
    if every:
        working = [m["id"] for m in microphones if m["status"]["state"] in ("running", "starting")]
        if not working:
            raise InvalidInput("no microphone works now", "see `earmark devices`")
        return working
    if len(microphones) == 1:
        return [microphones[0]["id"]]
    if not microphones:
        raise InvalidInput(
            "no microphone is set up", "list devices with `earmark devices`, and add one"
        )
    raise InvalidInput(
        f"there are {len(microphones)} microphones: {', '.join(m['name'] for m in microphones)}",
        "choose with --microphone NAME, or take all with --all",
    )


@contextmanager
def _hangup_is_interrupt() -> Generator[None, None, None]:
    """A closed terminal or SIGTERM ends the recording as Ctrl-C does: nobody would stop it."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


_SIGNALS = (signal.SIGHUP, signal.SIGTERM)


@contextmanager
def _kept_is_said() -> Generator[None, None, None]:
    """A daemon that goes away in the middle has stored what it had; whoever recorded asks that."""
    from appliance.client import DaemonUnreachable

    try:
        yield
    except DaemonUnreachable as error:
        raise DaemonUnreachable(
            f"{error}; what was recorded so far is kept",
            "see `earmark clips`; after a crash the last minute at most is missing. "
            f"The daemon: {error.advice}",
        ) from error


def _watch(state: State, client: Client, ids: list[int]) -> list[dict[str, Any]]:
    """Show level and time until all have ended; the recordings as they are then."""
    live = None if state.json else live_display()
    said = time.monotonic()
    try:
        while True:
            recordings = [client.get(f"/recordings/{number}") for number in ids]
            if all(recording["state"] not in GOING_ON for recording in recordings):
                return recordings
            if not state.json:
                lines = _lines(client, recordings, bars=live is not None)
                if live is not None:
                    draw(live, lines)
                elif time.monotonic() - said >= PLAIN_EVERY_S:
                    said = time.monotonic()
                    for line in lines:
                        note(line)
            time.sleep(LOOK_EVERY_S)
    finally:
        if live is not None:
            live.stop()


def _lines(client: Client, recordings: list[dict[str, Any]], *, bars: bool) -> list[str]:
    microphones = {m["id"]: m for m in client.get("/microphones")["items"]}
    lines = []
    for recording in recordings:
        microphone = microphones.get(recording["microphone"])
        name = safe(microphone["name"] if microphone else recording["microphone"])
        level = ((microphone or {}).get("status") or {}).get("level_dbfs")
        elapsed = human_duration(recording["elapsed_s"])
        # The pre-roll comes on top of what was asked for.
        whole = recording["seconds"] and recording["seconds"] + recording["pre_roll_s"]
        total = f" of {human_duration(whole)}" if whole else ", Ctrl-C ends it"
        shown = decibel(level) if level is not None else recording["state"]
        if bars and level is not None:
            shown = f"{level_bar(level)} {shown}"
        lost = f", {recording['lost_frames']} frames lost" if recording["lost_frames"] else ""
        if recording["state"] == "recording" and recording["detail"]:
            shown = "waits:"
            lost += f", {safe(recording['detail'])}"
        lines.append(f"{name}  {shown}  {elapsed}{total}{lost}")
    return lines


def _say(recording: dict[str, Any], name: str) -> None:
    clips = recording["clips"]
    length = human_duration(recording["elapsed_s"])
    named = f" labelled {safe(recording['label'])}" if recording["label"] else ""
    which = f": {_ranges(clips)}" if clips else ""
    say(
        f"{safe(name)}: {length}, {count(len(clips), 'clip')}{named}{which}"
        + (f" ({recording['state']})" if recording["state"] != "stored" else "")
    )
    if recording["detail"]:
        note(f"  {safe(recording['detail'])}", "yellow")


def _ranges(ids: list[int]) -> str:
    """`[1, 2, 3, 7]` as `1-3, 7`."""
    parts: list[list[int]] = []
    for number in sorted(ids):
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(str(p[0]) if len(p) == 1 else f"{p[0]}-{p[-1]}" for p in parts)
