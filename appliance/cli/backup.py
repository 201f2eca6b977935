"""`earmark backup` and `earmark restore`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from appliance.cli.common import (
    State,
    command,
    confirmed,
    emit,
    pass_state,
    yes_option,
)
from appliance.cli.output import count, fold, moment, note, right, safe, say, table
from appliance.cli.progress import Progress
from appliance.errors import InvalidInput
from appliance.units import human_size

LOOK_EVERY_S = 0.5


@command("backup", short_help="Back up sounds, labels and versions; list backups.")
@click.argument("target", type=click.Path(path_type=Path), required=False)
@click.option(
    "--list",
    "listing",
    is_flag=True,
    help="List those in TARGET, or the usual place.",
)
@click.option("--scheduled", is_flag=True, help="For the timer: only where backup.target says.")
@pass_state
def backup(state: State, target: Path | None, listing: bool, scheduled: bool) -> None:
    """Copy the database and every sound and version that it names into the folder TARGET, best on
    another disk; what is there already is not copied again. Without TARGET: the setting
    backup.target, else backups/ in the data folder. The copy is verified before it counts.

    --list TARGET works without a daemon, too, as before `earmark restore`.
    """
    if listing:
        _list(state, _found(state, target.expanduser().absolute() if target else None))
        return
    with state.client() as client:
        if scheduled:
            rows = client.get("/settings")["items"]
            if not next(row["value"] for row in rows if row["name"] == "backup.target"):
                say("No backup: the setting backup.target names no place.")
                return
        body = {"target": str(target.expanduser().absolute())} if target else {}
        latest = client.post("/backups", body)
        with Progress("backing up", 0, quiet=state.json) as shown:
            while latest["state"] == "running":
                time.sleep(LOOK_EVERY_S)
                latest = client.get("/backups")["latest"]
                shown.total = latest["total"]
                shown.update(latest["files"])
    if state.json:
        emit(latest)
    elif latest["state"] == "done":
        say(f"Backed up and verified: {safe(latest['path'])}", "green")
        if latest["detail"]:
            note(f"But {safe(latest['detail'])}: {safe(latest['advice'])}.", "yellow")
    else:
        note(f"failed: {safe(latest['detail'])}", "red")
        note(safe(latest["advice"]))
    raise click.exceptions.Exit(0 if latest["state"] == "done" else 1)


def _found(state: State, target: Path | None) -> dict[str, Any]:
    """This box's backups; where no daemon runs, all that lie in `target`."""
    from appliance.client import DaemonUnreachable

    try:
        with state.client() as client:
            listed: dict[str, Any] = client.get("/backups", target=target and str(target))
            return listed
    except DaemonUnreachable:
        if target is None or state.url:
            raise
    from appliance.care.backup import as_rows
    from appliance.care.backup_place import backups_in

    try:
        list(target.iterdir())
    except OSError as error:
        raise InvalidInput(f"{target} cannot be read: {error.strerror}", "name a folder") from None
    return {"target": str(target), "items": as_rows(iter(backups_in(target)))}


def _list(state: State, found: dict[str, Any]) -> None:
    if state.json:
        emit(found)
        return
    if found["items"]:
        _table(found["items"])
    else:
        say(f"There is no backup in {safe(found['target'])}.")
    if (copies := found.get("copies")) is None:
        return
    if newest := next(iter(copies["items"]), None):
        others = f", and {len(copies['items']) - 1} older" if copies["items"][1:] else ""
        say(
            f"On the box's own disk, the database alone: {moment(newest['made_at'])},"
            f" {count(newest['clips'], 'clip')}, {human_size(newest['bytes'])}{others}:"
            f" {safe(newest['path'])}"
        )
    if copies["problem"]:
        note(f"No nightly copy of the database is made: {safe(copies['problem'])}.", "yellow")


def _table(items: list[dict[str, Any]]) -> None:
    table(
        ["made", "box", right("clips"), "versions", fold("path")],
        [
            (
                moment(b["made_at"]),
                b["host"],
                b["clips"],
                count(len(b["versions"]), "version"),
                b["path"],
            )
            for b in items
        ],
    )


@command("restore", short_help="Make a data folder of a backup; without a daemon.")
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Set aside the library that is there already.")
@yes_option
@pass_state
def restore(state: State, source: Path, force: bool, yes: bool) -> None:
    """Fill the data folder (--data) from SOURCE: one backup, or a folder with several, of which the
    newest is taken. Every sound is compared with its hash. Then start the daemon: versions are
    compiled anew.
    """
    from appliance.care.restore import restore as run
    from appliance.care.restore import sounds_missing
    from appliance.daemon import locked
    from appliance.paths import DataFolder, default_data_folder

    folder = DataFolder((state.data or default_data_folder()).expanduser())
    if sounds := sounds_missing(source, folder):
        confirmed(
            state,
            f"{source} is a database alone: {count(sounds, 'sound')} that it names are neither"
            f" there nor in {folder.root}. Restore it without them?",
            yes,
        )
    folder.create()
    with locked(folder), Progress("restoring", 0, quiet=state.json) as shown:

        def tell(done: int, total: int) -> None:
            shown.total = total
            shown.update(done)

        done = run(source, folder, force=force, tell=tell)
    names = done.manifest.versions
    if state.json:
        found = {"clips": done.clips, "missing": done.missing, "versions": names}
        emit({"data": str(folder.root), **found})
    else:
        versions = count(len(names), "version")
        say(f"{count(done.clips, 'clip')} and {versions} are in {safe(folder.root)}.", "green")
        if done.missing:
            note(
                f"{count(done.missing, 'sound')} that the database names are whole nowhere; the"
                " clips stay, marked: earmark doctor",
                "yellow",
            )
        say(f"Start it: earmark serve --data {safe(folder.root)}, or systemctl start earmark")
