"""`earmark listen`: the top 5 of what each microphone hears now, and detections as they come."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import (
    State,
    command,
    emit,
    emit_line,
    microphone_names,
    microphone_path,
    next_step,
    pass_state,
)
from appliance.cli.durations import DURATION
from appliance.cli.following import followed
from appliance.cli.output import (
    bar,
    console,
    count,
    draw,
    fold,
    live_display,
    moment,
    note,
    percent,
    right,
    safe,
    say,
    table,
)
from appliance.errors import InvalidInput

if TYPE_CHECKING:
    from rich.live import Live

    from appliance.client import Client

LOOK_EVERY_S = 0.3
ENDED_EVERY_S = 2.0
# Older windows are shown as such: the microphone has stopped, or nothing is deployed.
STALE_S = 5.0
LABEL_WIDTH = 20


@command("listen", short_help="Watch live what the box hears.")
@click.option("--microphone", "-m", "--mic", metavar="NAME", help="Only this microphone.")
@click.option(
    "--top", type=click.IntRange(1, 5), default=5, show_default=True, help="Labels shown."
)
@click.option("--seconds", type=DURATION, help="End after so long.")
@click.option("--count", "limit", type=click.IntRange(1), help="End after so many detections.")
@click.option("--hearing/--no-hearing", default=True, help="With --json: every window too.")
@pass_state
def listen(
    state: State,
    microphone: str | None,
    top: int,
    seconds: float | None,
    limit: int | None,
    hearing: bool,
) -> None:
    """Show what the deployed version hears now, below its thresholds too, and each detection.

    On a terminal the five best labels move with bars; in a pipe there is one line a detection.
    With --json each event is a line: {"topic": "hearing" or "detection", "data": ...}. Ctrl-C
    ends it; the box goes on listening.
    """
    client = state.client()
    names = microphone_names(client)
    only = _chosen(client, microphone)
    if not state.json:
        _introduce(client)
    live = None if state.json else live_display()
    topics = ["detection", "hearing"] if state.json and hearing else ["detection"]
    told: set[int] = set()
    drawn = asked = 0.0
    try:
        for event in followed(state, topics, seconds, tick_s=LOOK_EVERY_S):
            if event is not None and (data := _wanted(event[1], only)):
                topic = event[0]
                if state.json:
                    emit_line({"topic": topic, "data": data})
                found = data.get("detection", data)
                if topic == "detection" and found["id"] not in told:
                    told.add(found["id"])
                    if not state.json:
                        _detection(live, found, names)
                    if limit is not None and len(told) >= limit:
                        return
            if event is None and time.monotonic() - asked >= ENDED_EVERY_S:
                asked = time.monotonic()
                if _all_ended(client, only):
                    note("Every microphone has ended: there is nothing more to hear.", "yellow")
                    return
            if live is not None and time.monotonic() - drawn >= LOOK_EVERY_S:
                drawn = time.monotonic()
                heard = client.get("/hearing")
                lines = hearing_lines(heard, names, only, top, console().width)
                draw(live, lines)
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None
    finally:
        if live is not None:
            live.stop()
        client.close()


def _chosen(client: Client, microphone: str | None) -> str | None:
    """The id of the microphone that was named by id or name."""
    if microphone is None:
        return None
    return str(client.get(microphone_path(microphone))["id"])


def _all_ended(client: Client, only: str | None) -> bool:
    """Whether everything that is listened to was a replay that is over."""
    views = client.get("/microphones")["items"]
    heard = [v for v in views if v["enabled"] and v["listen"] and only in (None, v["id"])]
    return bool(heard) and all(view["status"]["state"] == "ended" for view in heard)


def _introduce(client: Client) -> None:
    current = client.get("/deployments")["current"]
    if current is None:
        raise InvalidInput("nothing is deployed", next_step(client))
    if not client.get("/microphones")["items"]:
        note("No microphone is set up: earmark devices", "yellow")
    privacy = client.get("/privacy")
    if privacy["paused"]:
        note(f"{safe(privacy['detail'])}. Listen again: earmark resume", "yellow")
    note(f"{current['version']} listens. Ctrl-C ends this view; the box goes on.", "dim")


def _wanted(data: dict[str, Any], only: str | None) -> dict[str, Any] | None:
    """The event, or what it says of the one microphone that is asked for; None for others."""
    if only is None:
        return data
    if "microphones" in data:
        heard = data["microphones"]
        return {**data, "microphones": {only: heard[only]}} if only in heard else None
    return data if data.get("detection", data).get("microphone") == only else None


def _detection(live: Live | None, found: dict[str, Any], names: dict[str, str]) -> None:
    began = time.strftime("%H:%M:%S", time.localtime(found["started_at"]))
    where = names.get(found["microphone"], found["microphone"])
    line = (
        f"{began}  {safe(found['label'])}  {percent(found['score'])}  {safe(where)}  "
        f"{found['onset_delay_ms']:.0f} ms after its onset"
    )
    if live is not None:
        live.console.print(line, style="bold green", soft_wrap=True)
    else:
        say(line)
        sys.stdout.flush()


def hearing_lines(
    heard: dict[str, Any], names: dict[str, str], only: str | None, top: int, width: int
) -> list[str]:
    """What each microphone hears, as lines of at most `width`: label, bar, score."""
    lines: list[str] = []
    for identifier, state_now in sorted(heard.items()):
        if only is not None and identifier != only:
            continue
        at = state_now.get("at")
        age = None if at is None else time.time() - at
        old = f"  (heard nothing for {age:.0f} s)" if age is not None and age > STALE_S else ""
        missed = (
            f"  {count(state_now['missed'], 'window')} missed" if state_now.get("missed") else ""
        )
        lines.append(f"{safe(names.get(identifier, identifier))}{old}{missed}")
        if advice := (state_now.get("drift") or {}).get("advice"):
            lines.append(f"  {safe(advice)}"[:width])
        label_width = max(6, min(LABEL_WIDTH, width - 22))
        bar_width = max(4, min(40, width - label_width - 13))
        for entry in state_now["top"][:top]:
            label = safe(entry["label"])
            shown = label if len(label) <= label_width else label[: label_width - 1] + "…"
            score = percent(entry["score"]).rjust(7)
            lines.append(f"  {shown.ljust(label_width)} {bar(entry['score'], bar_width)} {score}")
    return lines or ["No microphone is heard yet."]


@command("rejected", short_help="What was nearly reported, and why it was not.")
@click.option("--microphone", "-m", "--mic", metavar="NAME", help="Only this microphone.")
@click.option("--label", metavar="LABEL", help="Only this label.")
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=50,
    show_default=True,
    help="At most so many.",
)
@pass_state
def rejected(state: State, microphone: str | None, label: str | None, limit: int) -> None:
    """Candidates that were not reported, newest first, each with its reason: "0.71 under 0.80",
    "background louder (0.55)", "cooling down 4.0 s", "unfamiliar (0.63)".

    The last 200 of each microphone are kept; what was refused in the last minute before a power
    cut may be missing.
    """
    with state.client() as client:
        names = microphone_names(client)
        only = _chosen(client, microphone)
        asked = {"microphone": only, "label": label, "limit": limit}
        found = client.get("/rejected", **{k: v for k, v in asked.items() if v is not None})
    if state.json:
        emit(found)
    elif found["items"]:
        table(
            ["heard", fold("label"), right("score"), fold("microphone"), fold("not reported")],
            [
                (
                    moment(row["at"]),
                    row["label"],
                    percent(row["score"]),
                    names.get(row["microphone"], row["microphone"]),
                    row["reason"],
                )
                for row in found["items"]
            ],
        )
    else:
        say("Nothing came near its threshold.")
