"""`earmark clips`: what has been recorded and imported."""

from __future__ import annotations

from pathlib import Path
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
from appliance.cli.filters import fetch, filter_options, page_options, parse_ids
from appliance.cli.output import count, decibel, fold, moment, note, pairs, right, safe, say, table
from appliance.units import human_duration

MOST_ALIKE = 3


@group(
    "clips",
    short_help="List clips; show, cut, delete or export them.",
    invoke_without_command=True,
)
@filter_options
@page_options
@click.option("--inbox", is_flag=True, help="Those without a label, what teaches most first.")
@click.pass_context
@pass_state
def clips(
    state: State,
    context: click.Context,
    filters: dict[str, Any],
    limit: int,
    cursor: str | None,
    everything: bool,
    inbox: bool,
) -> None:
    """List clips, the newest first."""
    if context.invoked_subcommand is not None:
        if filters:
            raise click.UsageError("put the conditions behind the subcommand's name")
        return
    if inbox:
        from appliance.cli.inbox import show_inbox

        show_inbox(state, filters, limit, cursor, everything)
        return
    page = fetch(state, "/clips", filters, limit, cursor, everything)
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say("No clip." if not page["next"] else "No clip on this page.")
    else:
        show_clips(page["items"])
    if page["next"]:
        note(f"There are more: add --cursor {page['next']} or --all", "dim")


def show_clips(items: list[dict[str, Any]]) -> None:
    """A table of clips; with a column of near duplicates where there are any."""
    alike = any(clip["near_duplicates"] for clip in items)
    table(
        [
            right("id"),
            fold("label"),
            right("length"),
            "source",
            fold("session"),
            "recorded",
            right("peak"),
            fold("file"),
            *([fold("nearly the same")] if alike else []),
        ],
        [
            (
                clip["id"],
                clip["label"] or "-",
                f"{clip['duration_s']:.1f} s",
                clip["source"],
                clip["session_key"],
                moment(clip["recorded_at"]),
                decibel(clip["peak_dbfs"]),
                clip["filename"],
                *([others(clip)] if alike else []),
            )
            for clip in items
        ],
    )


def others(clip: dict[str, Any]) -> str:
    """The clips that are nearly the same sound as this one: `12 15`, `12 15 16 +9`."""
    found = clip["near_duplicates"] or []
    more = len(found) - MOST_ALIKE
    return " ".join([*map(str, found[:MOST_ALIKE]), *([f"+{more}"] if more > 0 else [])])


def _alike(other: dict[str, Any]) -> str:
    label = safe(other["label"]) if other["label"] else "no label"
    shift = f", {abs(other['lag_s']):.2f} s {'later' if other['lag_s'] > 0 else 'earlier'}"
    return (
        f"clip {other['clip']} ({label}), {other['similarity']:.0%} alike"
        f"{shift if abs(other['lag_s']) >= 0.01 else ''}"
    )


@clips.command("show", short_help="Show one clip with the history of its label.")
@click.argument("clip", type=int)
@pass_state
def show(state: State, clip: int) -> None:
    """Show one clip: where it comes from, its levels, and every label that it had."""
    with state.client() as client:
        found = client.get(f"/clips/{clip}")
        history = client.get(f"/clips/{clip}/history")["items"]
        alike = client.get(f"/clips/{clip}/duplicates")["items"]
        names = microphone_names(client)
    if state.json:
        emit({**found, "history": history, "duplicates": alike})
        return
    synced = "" if found["clock_synced"] else " (the clock was not set)"
    if found["source"] == "import":
        synced = " (when it was imported)"
    parent = f"clip {found['parent']}, from {found['start_s']:.2f} s" if found["parent"] else None
    pairs(
        [
            ("clip", found["id"]),
            ("label", found["label"] or "-"),
            ("length", f"{found['duration_s']:.2f} s"),
            ("sample rate", f"{found['sample_rate']} Hz"),
            ("level", f"{decibel(found['rms_dbfs'])}, peak {decibel(found['peak_dbfs'])}"),
            ("session", found["session_key"]),
            ("microphone", names.get(found["microphone"], found["microphone"])),
            ("source", found["source"]),
            ("file", found["filename"]),
            ("kept", "yes, when room is made" if found["protected"] else None),
            ("sound", "lost: a backup may have it" if found["missing"] else None),
            ("cut from", parent),
            *(("nearly the same", _alike(other)) for other in alike),
            ("recorded", moment(found["recorded_at"]) + synced),
            *((f"column {safe(key)}", value) for key, value in found["extra"].items()),
            ("sha256", found["sha256"]),
        ]
    )
    for change in history:
        before, after = change["before"] or "-", change["after"] or "-"
        say(f"{moment(change['at'])}  {safe(before)} → {safe(after)}  by {safe(change['author'])}")


@clips.command("audio", short_help="Save a clip's sound as a FLAC file.")
@click.argument("clip", type=int)
@click.argument("file", type=click.Path(path_type=Path), required=False)
@pass_state
def audio(state: State, clip: int, file: Path | None) -> None:
    """Save a clip as FLAC, in FILE or as clip-ID.flac here."""
    target = file or Path(f"clip-{clip:06d}.flac")
    if target.is_dir():
        target = target / f"clip-{clip:06d}.flac"
    with state.client() as client:
        client.download(f"/clips/{clip}/audio", target)
    if state.json:
        emit({"clip": clip, "file": str(target)})
    else:
        say(f"{safe(target)}")


@clips.command("play", short_help="Play a clip on the box's own speaker.")
@click.argument("clip", type=int)
@pass_state
def play(state: State, clip: int) -> None:
    """Play a clip on the speaker of the box, not of the machine that you sit at: see `link`."""
    with state.client() as client:
        client.post(f"/clips/{clip}/play")
    if state.json:
        emit({"clip": clip, "playing": True})
    else:
        say(f"Clip {clip} plays on the box's speaker.")


@clips.command("link", short_help="A link to hear one clip in a browser, good for 5 minutes.")
@click.argument("clip", type=int)
@pass_state
def link(state: State, clip: int) -> None:
    """Print a link to the sound of this clip alone, and the ssh line that makes it reachable."""
    with state.client() as client:
        made = client.post(f"/clips/{clip}/link")
    if state.json:
        emit(made)
    else:
        say(made["url"])
        note(f"From your own machine, first: {made['tunnel']}")


@clips.command("cut", short_help="Cut a stretch of a clip into a clip of its own.")
@click.argument("clip", type=int)
@click.argument("start", type=DURATION_OR_ZERO)
@click.argument("end", type=DURATION)
@click.option("--label", metavar="LABEL", help="Label the new clip.")
@pass_state
def cut(state: State, clip: int, start: float, end: float, label: str | None) -> None:
    """Make a new clip of CLIP from START to END (seconds from its beginning)."""
    body = {"start_s": start, "end_s": end, "label": label}
    with state.client() as client:
        made = client.post(f"/clips/{clip}/cut", body)
    if state.json:
        emit(made)
    else:
        named = f"labelled {safe(made['label'])}" if made["label"] else "without a label"
        say(f"Clip {made['id']}, {human_duration(made['duration_s'])}, {named}.")


@clips.command("delete", short_help="Delete clips that no dataset version holds.")
@click.argument("clip", nargs=-1, required=True)
@yes_option
@pass_state
def delete(state: State, clip: tuple[str, ...], yes: bool) -> None:
    """Delete clips: numbers, ranges like 12-15, or - to read them from standard input.

    A clip that a dataset version holds is refused, and the others go.
    """
    from appliance.client import ClientError

    ids = parse_ids(clip)
    deleted: list[int] = []
    refused: list[dict[str, Any]] = []
    with state.client() as client:
        if len(ids) == 1:
            client.get(f"/clips/{ids[0]}")  # nobody is asked about a clip that is not there
        confirmed(state, f"Delete {count(len(ids), 'clip')} for ever?", yes)
        for identifier in ids:
            try:
                client.delete(f"/clips/{identifier}")
            except ClientError as error:
                if error.status not in (404, 409):
                    raise
                refused.append({"clip": identifier, "error": error.message, "advice": error.advice})
            else:
                deleted.append(identifier)
    if state.json:
        emit({"deleted": deleted, "refused": refused})
    else:
        say(f"{count(len(deleted), 'clip')} deleted.")
        for one in refused:
            note(f"{safe(one['error'])}: {safe(one['advice'])}", "red")
    raise click.exceptions.Exit(1 if refused else 0)


@clips.command("keep", short_help="Keep clips when room is made.")
@click.argument("clip", nargs=-1, required=True)
@click.option("--release", is_flag=True, help="They need not be kept any more.")
@pass_state
def keep(state: State, clip: tuple[str, ...], release: bool) -> None:
    """Keep clips when room is made: numbers, ranges like 12-15, or - for standard input."""
    body = {"clips": parse_ids(clip), "keep": not release}
    with state.client() as client:
        changed = client.post("/clips/keep", body)["changed"]
    if state.json:
        emit({"changed": changed})
    else:
        say(f"{count(changed, 'clip')} {'released' if release else 'kept'}.")


@clips.command("export", short_help="Write clips as class folders with a labels.csv.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@filter_options
@pass_state
def export(state: State, folder: Path, filters: dict[str, Any]) -> None:
    """Write clips into FOLDER/LABEL/ with a labels.csv that `earmark import` reads again.

    Run it again after an interruption: clips that are there already are kept.
    """
    from appliance.cli.export import export_clips, summary

    written = export_clips(state, folder, filters)
    if state.json:
        emit({"folder": str(folder), **written})
    else:
        say(summary(written, folder))
