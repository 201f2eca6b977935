"""`earmark shadow`: the version that listens silently, side by side with the live one."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli.common import State, emit, group, microphone_names, pass_state
from appliance.cli.output import count, fold, moment, note, percent, right, safe, say, table
from appliance.units import human_duration

SHOWN = 20


@group(
    "shadow",
    short_help="A version that listens silently beside the live one.",
    invoke_without_command=True,
)
@click.pass_context
@pass_state
def shadow(state: State, context: click.Context) -> None:
    """Show what the version that listens silently would have reported, beside what was reported.
    Begin with `earmark deploy --shadow V002`; `earmark deploy V002` promotes it."""
    if context.invoked_subcommand is not None:
        return
    with state.client() as client:
        seen = client.get("/shadow")
        newest = seen["current"] or next(iter(seen["items"]), None)
        different: list[dict[str, Any]] = []
        names: dict[str, str] = {}
        if newest is not None:
            path = f"/shadow/{newest['id']}/disagreements"
            different = client.get(path, limit=SHOWN)["items"]
            names = microphone_names(client)
    if state.json:
        emit({**seen, "disagreements": different})
        return
    if newest is None:
        say("No version listens silently: earmark deploy --shadow V002")
        return
    show_shadow(state, newest)
    if different:
        table(
            ["heard", fold("microphone"), fold("live said"), fold("shadow said"), right("clip")],
            [
                (
                    moment(row["at"]),
                    names.get(row["microphone"], row["microphone"]),
                    _said(row["live_label"], row["live_score"]),
                    _said(row["shadow_label"], row["shadow_score"]),
                    row["clip"],
                )
                for row in different
            ],
        )
        note("Say who was right: earmark clips --inbox", "dim")


@shadow.command("end", short_help="Let it listen no more.")
@pass_state
def end(state: State) -> None:
    """Let it listen no more. What the two disagreed about stays in the inbox."""
    with state.client() as client:
        show_shadow(state, client.delete("/shadow"))


def show_shadow(state: State, seen: dict[str, Any]) -> None:
    """One shadow with its figures."""
    if state.json:
        emit(seen)
        return
    words = {
        "running": f"listens silently beside {seen['live'] or 'nothing'}",
        "promoted": "listened silently until it was deployed",
        "ended": "listened silently until it was ended",
    }
    say(f"{seen['version']} {words.get(seen['state'], seen['state'])}, {_since(seen)}.")
    if seen["problem"]:
        note(f"It does not run: {safe(seen['problem'])}", "red")
    if seen["shed"]:
        note("It pauses, because listening is late.", "red")
    say(
        f"  {human_duration(seen['heard_s'])} of sound in {count(seen['windows'], 'window')}, "
        f"{seen['missed']} missed; both reported {count(seen['both'], 'sound')}, "
        f"{count(seen['disagreements'], 'disagreement')}"
    )
    if seen["labels"]:
        table(
            [fold("label"), right("both"), right("live only"), right("shadow only")],
            [
                (row["label"], row["both"], row["live_only"], row["shadow_only"])
                for row in seen["labels"]
            ],
        )


def _since(seen: dict[str, Any]) -> str:
    ended = f" to {moment(seen['ended_at'])}" if seen["ended_at"] else ""
    return f"from {moment(seen['started_at'])}{ended}"


def _said(label: str | None, score: float | None) -> str:
    return "nothing" if label is None else f"{label} {percent(score)}"
