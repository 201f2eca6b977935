"""`earmark detections`: what was heard, and whether it was right."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli.common import State, emit, group, known_label, microphone_names, pass_state
from appliance.cli.durations import MOMENT
from appliance.cli.filters import fetch, page_options, parse_ids
from appliance.cli.output import fold, moment, note, pairs, percent, right, safe, say, table


@group(
    "detections",
    short_help="List detections; confirm or refute them.",
    invoke_without_command=True,
)
@click.option("--label", metavar="LABEL", help="Only of this label.")
@click.option("--microphone", metavar="NAME", help="Only of this microphone.")
@click.option("--since", type=MOMENT, help="Since: 2025-11-23, 14:05, 2h (ago).")
@click.option("--until", type=MOMENT, help="Until.")
@click.option(
    "--review",
    type=click.Choice(["confirmed", "refuted", "none"]),
    help="Only those that a person judged so; none: those that nobody judged.",
)
@page_options
@click.pass_context
@pass_state
def detections(
    state: State,
    context: click.Context,
    limit: int,
    cursor: str | None,
    everything: bool,
    **filters: Any,
) -> None:
    """List detections, the newest first.

    The delay is from the sound's onset to the detection.
    """
    if context.invoked_subcommand is not None:
        return
    asked = {name: value for name, value in filters.items() if value is not None}
    page = fetch(state, "/detections", asked, limit, cursor, everything)
    if not state.json:
        with state.client() as client:
            names = microphone_names(client)
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say("No detection.")
        return
    show_detections(page["items"], names)
    if page["next"]:
        note(f"There are more: add --cursor {page['next']} or --all", "dim")


def show_detections(items: list[dict[str, Any]], names: dict[str, str]) -> None:
    """A table of detections; `names` of microphones by their ids."""
    table(
        [
            right("id"),
            "heard",
            fold("label"),
            right("score"),
            fold("microphone"),
            right("delay"),
            "version",
            right("clip"),
            "review",
        ],
        [
            (
                row["id"],
                moment(row["started_at"]),
                row["label"],
                percent(row["score"]),
                names.get(row["microphone"], row["microphone"]),
                f"{row['onset_delay_ms']:.0f} ms",
                row["version"],
                row["clip"] or row["no_clip"],
                row["review"],
            )
            for row in items
        ],
    )


@detections.command("show", short_help="Show one detection.")
@click.argument("identifier", metavar="ID", type=int)
@pass_state
def show(state: State, identifier: int) -> None:
    """Show one detection: when, how sure, by which version, with which clip."""
    with state.client() as client:
        row = client.get(f"/detections/{identifier}")
        names = microphone_names(client)
    if state.json:
        emit(row)
        return
    synced = "" if row["clock_synced"] else " (the clock was not set)"
    pairs(
        [
            ("detection", row["id"]),
            ("label", row["label"]),
            ("score", f"{percent(row['score'])}, at most {percent(row['peak'])}"),
            ("microphone", names.get(row["microphone"], row["microphone"])),
            ("heard", moment(row["started_at"]) + synced),
            ("ended", moment(row["ended_at"])),
            (
                "delay",
                f"{row['onset_delay_ms']:.0f} ms from the onset, "
                f"{row['delay_ms']:.0f} ms from the deciding sample",
            ),
            ("version", f"{row['version']} (deployment {row['deployment']})"),
            ("clip", row["clip"] or _no_clip(row["no_clip"])),
            ("review", row["review"]),
        ]
    )


def _no_clip(why: str | None) -> str | None:
    return "dropped: speech is likely in it" if why == "speech" else None


@detections.command("confirm", short_help="It was right.")
@click.argument("ids", nargs=-1, required=True)
@pass_state
def confirm(state: State, ids: tuple[str, ...]) -> None:
    """Say that detections were right: numbers, ranges, or - for standard input."""
    _review(state, ids, "confirmed")


_create = click.option(
    "--create", is_flag=True, help="Make the label if there is none of that name."
)


@detections.command("refute", short_help="It was wrong.")
@click.argument("ids", nargs=-1, required=True)
@click.option("--label", metavar="LABEL", help="What it really was; its clip gets that label.")
@_create
@pass_state
def refute(state: State, ids: tuple[str, ...], label: str | None, create: bool) -> None:
    """Say that detections were wrong, and what they really were."""
    if create and label is None:
        raise click.UsageError("--create makes the label of --label")
    _review(state, ids, "refuted", label, create)


@detections.command("relabel", short_help="Say what they really were.")
@click.argument("label")
@click.argument("ids", nargs=-1, required=True)
@_create
@pass_state
def relabel(state: State, label: str, ids: tuple[str, ...], create: bool) -> None:
    """Say that detections were LABEL: their clips get it, and those that had said so are
    confirmed."""
    _review(state, ids, "refuted", label, create)


@detections.command("clear", short_help="Take a judgement back.")
@click.argument("ids", nargs=-1, required=True)
@pass_state
def clear(state: State, ids: tuple[str, ...]) -> None:
    """Take a judgement back."""
    _review(state, ids, None)


def _review(
    state: State,
    ids: tuple[str, ...],
    review: str | None,
    label: str | None = None,
    create: bool = False,
) -> None:
    body: dict[str, Any] = {"detections": parse_ids(ids), "review": review, "label": label}
    if create:
        body["create"] = True
    with state.client() as client:
        if label is not None and not create:
            known_label(client, label, "--create makes a new one")
        changed = client.post("/detections/review", body)["items"]
    if state.json:
        emit({"items": changed})
        return
    for row in changed:
        other = row["review"] == "refuted" and row["review_label"]
        really = f", it was {safe(row['review_label'])}" if other else ""
        say(f"{row['id']} {safe(row['label'])}: {row['review'] or 'not judged'}{really}")
