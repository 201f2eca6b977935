"""`earmark label` gives clips their label; `earmark labels` keeps the labels themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import (
    State,
    command,
    confirmed,
    emit,
    group,
    known_label,
    pass_state,
    yes_option,
)
from appliance.cli.filters import labelled_filter_options, parse_ids
from appliance.cli.output import count, fold, note, right, safe, say, table

if TYPE_CHECKING:
    from appliance.client import Client


@command("label", short_help="Label clips: one, many, or all that a filter finds.")
@click.argument("words", nargs=-1, metavar="LABEL [CLIP]...")
@click.option("--none", "unlabel", is_flag=True, help="Take the label away; no LABEL is given.")
@click.option("--create", is_flag=True, help="Create the label if there is none of that name.")
@click.option("--all", "everything", is_flag=True, help="Every clip, without any condition.")
@labelled_filter_options
@yes_option
@pass_state
def label(
    state: State,
    words: tuple[str, ...],
    unlabel: bool,
    create: bool,
    everything: bool,
    filters: dict[str, Any],
    yes: bool,
) -> None:
    """Give CLIPs the LABEL: `earmark label dog 12 15-20`, or by conditions:
    `earmark label dog --session barn --unlabelled`.

    CLIPs are numbers, ranges, or - to read them from standard input. `--none 12` unlabels.
    By conditions it asks first. Every change stays in the clip's history.
    """
    name, ids = _label_and_ids(words, unlabel)
    if ids and (filters or everything):
        raise click.UsageError("name the clips, or give conditions, not both")
    if not ids and not filters and not everything:
        raise click.UsageError("which clips? Give their numbers, conditions, or --all")
    with state.client() as client:
        if name is not None:
            _known_or_created(client, name, create)
        if ids:
            body: dict[str, Any] = {"clips": ids, "label": name}
        else:
            if not yes:
                found = sum(1 for _ in client.pages("/clips", limit=500, **filters))
                what = f"label them {safe(name)!r}" if name is not None else "unlabel them"
                confirmed(state, f"{count(found, 'clip')} found: {what}?", yes)
            body = {"filter": filters, "label": name}
        changed = client.post("/clips/label", body)
    if state.json:
        emit(changed)
    else:
        done = f"labelled {safe(name)}" if name is not None else "unlabelled"
        say(f"{count(changed['changed'], 'clip')} {done}.")
        for warning in changed["warnings"]:
            note(f"{safe(warning)}: is one of the two labels wrong?", "yellow")


def _known_or_created(client: Client, name: str, create: bool) -> None:
    from appliance.library.names import label_name

    name = label_name(name)
    if not create:
        known_label(client, name, "--create makes a new one")
    elif name not in {row["name"] for row in client.get("/labels")["items"]}:
        client.post("/labels", {"name": name})


def _label_and_ids(words: tuple[str, ...], unlabel: bool) -> tuple[str | None, list[int]]:
    if unlabel:
        return None, parse_ids(words)
    if not words:
        raise click.UsageError("which label? Or --none to take the label away")
    return words[0], parse_ids(words[1:])


@group(
    "labels",
    short_help="Labels and readiness; create, rename, merge, delete.",
    invoke_without_command=True,
)
@click.pass_context
@pass_state
def labels(state: State, context: click.Context) -> None:
    """List the labels, how many clips and sessions each has, and whether training may start."""
    if context.invoked_subcommand is not None:
        return
    with state.client() as client:
        page = client.get("/labels")
        readiness = client.get("/readiness")
    if state.json:
        emit({**page, "readiness": readiness})
        return
    if page["items"]:
        needed = {row["label"]: row["needed"] for row in readiness["classes"]}
        table(
            [fold("label"), right("clips"), right("sessions"), "ready"],
            [
                (row["name"], row["clips"], row["sessions"], _ready(row, needed))
                for row in page["items"]
            ],
        )
    else:
        say("There is no label yet. Import a folder a class, or: earmark labels create NAME")
    show_readiness(readiness)


def _ready(row: dict[str, Any], needed: dict[str, int]) -> str:
    need = needed.get(row["name"], 0)
    return "yes" if row["clips"] >= need else f"{row['clips']} of {need} clips"


def show_readiness(readiness: dict[str, Any]) -> None:
    """Whether training may start; every reason against it; what will hurt the figures."""
    if readiness["ready"]:
        say("Ready to train.", "green")
    else:
        say("Not ready to train:", "yellow")
        for reason in readiness["reasons"]:
            say(f"  {safe(reason)}")
    for warning in readiness["warnings"]:
        note(f"note  {safe(warning)}", "dim")


def _create(state: State, names: tuple[str, ...]) -> None:
    made = []
    with state.client() as client:
        for name in names:
            made.append(client.post("/labels", {"name": name}))
    if state.json:
        emit({"items": made})
    else:
        say("Created " + ", ".join(safe(row["name"]) for row in made) + ".")


@labels.command("create", short_help="Create labels without clips.")
@click.argument("name", nargs=-1, required=True)
@pass_state
def create_labels(state: State, name: tuple[str, ...]) -> None:
    """Create labels."""
    _create(state, name)


@labels.command("add", short_help="The same as create.", hidden=True)
@click.argument("name", nargs=-1, required=True)
@pass_state
def add_labels(state: State, name: tuple[str, ...]) -> None:
    """Create labels."""
    _create(state, name)


@labels.command("rename", short_help="Rename a label over all its clips.")
@click.argument("old")
@click.argument("new")
@pass_state
def rename(state: State, old: str, new: str) -> None:
    """Rename a label; all its clips follow. Versions that were trained keep their names."""
    from appliance.client import quoted

    with state.client() as client:
        changed = client.patch(f"/labels/{quoted(old)}", {"name": new})
    if state.json:
        emit(changed)
    else:
        say(f"{safe(old)} is now {safe(changed['name'])} ({count(changed['clips'], 'clip')}).")


@labels.command("merge", short_help="Give all clips of one label another one.")
@click.argument("source")
@click.argument("into")
@yes_option
@pass_state
def merge(state: State, source: str, into: str, yes: bool) -> None:
    """All clips labelled SOURCE become INTO, and SOURCE goes."""
    from appliance.client import quoted

    with state.client() as client:
        clips = count(known_label(client, source)["clips"], "clip")
        known_label(client, into)
        if source == into:
            raise click.UsageError(f"{safe(source)} cannot be merged into itself: name two labels")
        confirmed(state, f"Label {clips} of {safe(source)} as {safe(into)} instead?", yes)
        merged = client.post(f"/labels/{quoted(source)}/merge", {"into": into})
    if state.json:
        emit(merged)
    else:
        say(f"{safe(merged['name'])} has {count(merged['clips'], 'clip')} now.")


@labels.command("delete", short_help="Delete a label; its clips stay, unlabelled.")
@click.argument("name")
@yes_option
@pass_state
def delete(state: State, name: str, yes: bool) -> None:
    """Delete a label. Its clips stay, without a label."""
    from appliance.client import quoted

    with state.client() as client:
        clips = count(known_label(client, name)["clips"], "clip")
        confirmed(state, f"Delete {safe(name)}? {clips} will be without a label.", yes)
        answer = client.delete(f"/labels/{quoted(name)}")
    if state.json:
        emit({"deleted": name, **(answer or {})})
    else:
        say(f"{safe(name)} is deleted; {clips} without a label now.")
