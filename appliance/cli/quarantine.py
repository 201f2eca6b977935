"""`earmark quarantine`: what was set aside instead of deleted."""

from __future__ import annotations

import time
from typing import Any

import click

from appliance.cli.common import State, command, confirmed, emit, pass_state, yes_option
from appliance.cli.output import count, fold, moment, note, right, safe, say, table
from appliance.units import human_size

LOOK_EVERY_S = 0.3
ACTIONS = ("list", "restore", "delete", "inspect")


@command("quarantine", short_help="Damaged or stray files: list, put back, delete; look now.")
@click.argument("action", type=click.Choice(ACTIONS), default="list")
@click.argument("items", metavar="[ID]...", nargs=-1)
@yes_option
@pass_state
def quarantine(state: State, action: str, items: tuple[str, ...], yes: bool) -> None:
    """What is damaged, or belongs to no clip, is set aside instead of deleted.

    `restore ID` puts a sound back among the clips, `delete ID` takes it away for good, `inspect`
    looks at every sound now, instead of over care.inspect_days.
    """
    if action in ("restore", "delete") and not items:
        raise click.UsageError(f"name what to {action}: `earmark quarantine` lists it")
    if action == "delete":
        confirmed(state, f"Delete {count(len(items), 'item')} from quarantine for good?", yes)
    with state.client() as client:
        if action == "inspect":
            found = _inspect(client)
        elif action == "restore":
            clips = [client.post(f"/quarantine/{item}/restore") for item in items]
            if state.json:
                emit(clips)
            for clip in [] if state.json else clips:
                say(f"Clip {clip['id']} has its sound.", "green")
            return
        elif action == "delete":
            for item in items:
                client.delete(f"/quarantine/{item}")
            if state.json:
                emit({"deleted": list(items)})
            else:
                say(f"{count(len(items), 'item')} deleted.")
            return
        else:
            found = client.get("/quarantine")
    if state.json:
        emit(found)
    else:
        _show(found)
    run = found["inspection"] or {}
    stopped = action == "inspect" and run.get("state") == "stopped"
    raise click.exceptions.Exit(1 if stopped else 0)


def _inspect(client: Any) -> dict[str, Any]:
    found: dict[str, Any] = client.post("/quarantine/inspection")
    while found["inspection"] is not None and found["inspection"]["state"] == "running":
        time.sleep(LOOK_EVERY_S)
        found = client.get("/quarantine")
    return found


def _show(found: dict[str, Any]) -> None:
    run = found["inspection"]
    if run is not None:
        said = {"running": "goes on", "done": "is done", "stopped": f"stopped: {run['stopped']}"}
        say(
            f"The look at the library that began {moment(run['began_at'])} {said[run['state']]}."
            f" {count(run['files'], 'file')}, {run['quarantined']} set aside,"
            f" {run['missing']} gone, {run['healed']} brought back,"
            f" {run['adopted']} made clips again."
        )
    if not found["items"]:
        note("Nothing is in quarantine.")
        return
    table(
        ["id", "since", "what", right("size"), fold("why"), fold("file")],
        [
            (
                item["id"],
                moment(item["at"]),
                item["kind"] if item["clip"] is None else f"{item['kind']} of {item['clip']}",
                human_size(item["bytes"]),
                safe(item["why"]),
                safe(", ".join(item["files"].values()) or ", ".join(item["files"])),
            )
            for item in found["items"]
        ],
    )
