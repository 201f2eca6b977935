"""`earmark versions` and `earmark version V001`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from appliance.cli.common import State, command, confirmed, emit, group, pass_state, yes_option
from appliance.cli.output import count, fold, moment, note, percent, right, safe, say, table
from appliance.errors import InvalidInput


@command("versions", short_help="List trained versions.")
@pass_state
def versions(state: State) -> None:
    """List the trained versions, the newest first."""
    with state.client() as client:
        page = client.get("/versions")
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say("No version yet. Train one: earmark train")
        return
    table(
        [
            "version",
            "state",
            right("accuracy"),
            right("F1"),
            right("classes"),
            fold("dataset"),
            "ended",
            "created",
            fold("note"),
        ],
        [
            (
                row["name"],
                row["state"],
                percent(row["accuracy"]) + _mark(row),
                percent(row["macro_f1"]) + _mark(row),
                len(row["classes"]),
                row["dataset_version"] or "imported",
                row["stopped"],
                moment(row["created_at"]),
                row["note"],
            )
            for row in page["items"]
        ],
    )
    for row in page["items"]:
        if row["optimistic"]:
            note(f"! {row['name']} is optimistic: {safe(row['optimistic'])}", "yellow")


def _mark(row: dict[str, Any]) -> str:
    """Behind a figure that promises more than the box will keep."""
    return "!" if row["optimistic"] and row["accuracy"] is not None else ""


def _path(name: str, more: str = "") -> str:
    from appliance.client import quoted

    return f"/versions/{quoted(name)}{more}"


@group(
    "version",
    short_help="One version: evaluation, note, export, import, delete.",
    default="show",
)
def version() -> None:
    """One trained version. `earmark version V001` shows it; 1 and v1 are V001, too."""


@version.command("show", short_help="Evaluation, confusion matrix and curves.")
@click.argument("name", metavar="V001")
@click.option(
    "--pictures",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Save the confusion matrix and the curves there as PNG.",
)
@pass_state
def show(state: State, name: str, pictures: Path | None) -> None:
    """Show a version: training, figures by class, confusion matrix, curves.

    Recall of a class is the share of the clips labelled as it that were predicted as it;
    precision the share of those predicted as it that are labelled so.
    """
    from appliance.cli.engines import show_engines
    from appliance.cli.evaluation import show_evaluation, show_version

    saved: list[str] = []
    with state.client() as client:
        found = client.get(_path(name))
        evaluation = client.get(_path(name, "/evaluation"))
        card = client.get(_path(name, "/card"))
        history = client.get("/deployments")["items"]
        if pictures is not None:
            pictures.mkdir(parents=True, exist_ok=True)
            for kind in ("confusion", "curves"):
                target = pictures / f"{found['name']}-{kind}.png"
                client.download(_path(name, f"/{kind}.png"), target)
                saved.append(str(target))
    if state.json:
        more = {"pictures": saved} if pictures is not None else {}
        engines = [row for row in history if row["version"] == found["name"]]
        emit({**found, "evaluation": evaluation, "card": card, "deployments": engines, **more})
        return
    show_version(found, card)
    show_engines(found["name"], history)
    show_evaluation(evaluation)
    for path in saved:
        say(safe(path))


@version.command("lineage", short_help="Where it comes from, down to clips and microphones.")
@click.argument("name", metavar="V001")
@pass_state
def lineage(state: State, name: str) -> None:
    """Show a version's dataset, clips, microphones and the versions it began with."""
    with state.client() as client:
        found = client.get(_path(name, "/lineage"))
    if state.json:
        emit(found)
        return
    for step in [found, *found["parents"]]:
        gone = ", deleted" if step["deleted"] else ""
        dataset = f" on {safe(step['dataset_version'])}" if step["dataset_version"] else ""
        say(f"{step['version']}  {step['source']}{dataset}, {safe(step['stopped'])}{gone}")
    dataset = found["dataset"]
    if dataset and "clips" in dataset:
        say(
            f"{safe(dataset['name'])}: {count(len(dataset['clips']), 'clip')} of "
            f"{count(dataset['sessions'], 'session')}"
        )
        for title, numbers in (("class", "classes"), ("microphone", "microphones")):
            rows = sorted(dataset[numbers].items())
            table([fold(title), right("clips")], rows)


@version.command("note", short_help="Write a note on it.")
@click.argument("name", metavar="V001")
@click.argument("text")
@pass_state
def set_note(state: State, name: str, text: str) -> None:
    """Replace the note of a version; an empty TEXT removes it."""
    with state.client() as client:
        found = client.patch(_path(name), {"note": text})
    if state.json:
        emit(found)
    else:
        say(f"{found['name']}: {safe(found['note']) or 'no note'}")


@version.command("delete", short_help="Delete it; its figures stay in histories.")
@click.argument("name", metavar="V001")
@yes_option
@pass_state
def delete(state: State, name: str, yes: bool) -> None:
    """Delete a version that is not deployed. Its number is never used again."""
    with state.client() as client:
        found = client.get(_path(name))
        confirmed(state, f"Delete {safe(found['name'])} for ever?", yes)
        client.delete(_path(name))
    if state.json:
        emit({"deleted": found["name"]})
    else:
        say(f"{found['name']} is deleted.")


@version.command("export", short_help="Save it as one file, for another box.")
@click.argument("name", metavar="V001")
@click.argument("file", type=click.Path(path_type=Path), required=False)
@click.option("--force", is_flag=True, help="Replace a file that exists.")
@pass_state
def export(state: State, name: str, file: Path | None, force: bool) -> None:
    """Save a version as FILE, or as earmark-V001.zip here."""
    with state.client() as client:
        found = client.get(_path(name))["name"]
        target = file or Path(f"earmark-{found}.zip")
        if target.is_dir():
            target = target / f"earmark-{found}.zip"
        if target.exists() and not force:
            raise InvalidInput(f"{target} exists", "give another name, or --force")
        client.download(_path(found, "/export"), target)
    if state.json:
        emit({"version": found, "file": str(target), "size": target.stat().st_size})
    else:
        say(f"{safe(target)}")


@version.command("import", short_help="Take in a version that another box exported.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_state
def import_version(state: State, file: Path) -> None:
    """Take in an exported version. It gets the next number here."""
    with state.client() as client:
        found: dict[str, Any] = client.upload("/versions/import", [file])
    if state.json:
        emit(found)
    else:
        say(f"{safe(file)} is {found['name']} here: earmark version {found['name']}")
