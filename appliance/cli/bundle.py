"""`earmark support-bundle`: a zip to send with a report."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.output import note, safe, say
from appliance.units import human_size


@command(
    "support-bundle", short_help="A zip for a report: no sounds, no token, no names of labels."
)
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@pass_state
def bundle(state: State, file: Path, force: bool) -> None:
    """Write status, health, settings, the end of the logs, jobs and the versions' cards into the
    zip FILE, for somebody who shall help. Sounds and the token are never in it; names of labels are
    replaced. Without a daemon it holds what `earmark doctor` sees.
    """
    from appliance.client import DaemonUnreachable

    if file.exists() and not force:
        raise click.UsageError(f"{file} is there already: give --force to overwrite it.")
    complete = True
    try:
        with state.client() as client:
            client.download("/support-bundle", file)
    except DaemonUnreachable:
        if state.url:
            raise
        complete = False
        _without_daemon(state, file)
    size = file.stat().st_size
    if state.json:
        emit({"file": str(file), "bytes": size, "complete": complete})
        return
    say(f"{safe(file)}, {human_size(size)}. Read it before you send it.")


def _without_daemon(state: State, file: Path) -> None:
    from appliance.cli.doctor import health
    from appliance.cli.settings import without_daemon
    from appliance.errors import EarmarkError

    found = {"health.json": json.dumps(health(state), indent=1)}
    try:
        found["settings.json"] = json.dumps(without_daemon(state), indent=1, default=str)
    except EarmarkError as error:
        found["settings.json"] = json.dumps({"error": error.message})
    partial = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        with zipfile.ZipFile(partial, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, text in found.items():
                archive.writestr(name, text)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)
    note("The log is in the journal: journalctl -u earmark > earmark.log", "yellow")
