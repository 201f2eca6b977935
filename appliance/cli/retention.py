"""`earmark retention`: delete what is worth least, or see what would go."""

from __future__ import annotations

import time

import click

from appliance.cli.common import State, command, confirmed, emit, pass_state, yes_option
from appliance.cli.output import count, fold, note, right, safe, say, table
from appliance.units import human_size

LOOK_EVERY_S = 0.3


@command("retention", short_help="Delete the clips worth least when the disk is full.")
@click.option("--dry-run", is_flag=True, help="Only show what would go, and why.")
@yes_option
@pass_state
def retention(state: State, dry_run: bool, yes: bool) -> None:
    """Delete the clips worth least until the disk is used less than retention.max_use_percent, and
    those without a label that are older than retention.max_age_days. What a dataset version or a
    keep mark holds never goes. The daemon does the same every retention.every_h hours.
    """
    if not dry_run:
        confirmed(state, "Delete the clips worth least for good?", yes)
    with state.client() as client:
        run = client.post("/retention", {"dry_run": dry_run})
        while run["state"] == "running":
            time.sleep(LOOK_EVERY_S)
            run = client.get("/retention")["latest"]
    if state.json:
        emit(run)
    elif run["state"] == "failed":
        note(f"failed: {safe(run['detail'])}", "red")
    else:
        verb = "would go" if dry_run else "went"
        say(f"{count(run['clips'], 'clip')} {verb}, {human_size(run['bytes'])}.")
        for why, clips in run["reasons"].items():
            say(f"  {clips}: {safe(why)}")
        if run["detail"]:
            note(safe(run["detail"]), "yellow")
        if dry_run and run["first"]:
            table(
                [right("clip"), right("size"), fold("why")],
                [(g["clip"], human_size(g["bytes"]), g["why"]) for g in run["first"]],
            )
        if run["failed"]:
            note(
                f"{count(run['failed'], 'clip')} could not be deleted; see the daemon's log.",
                "yellow",
            )
    raise click.exceptions.Exit(1 if run["state"] == "failed" or run["failed"] else 0)
