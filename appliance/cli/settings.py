"""`earmark settings`: show them, and change one."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, emit, group, pass_state
from appliance.cli.output import fold, note, safe, say, table

if TYPE_CHECKING:
    from appliance.client import Client


@group(
    "settings",
    invoke_without_command=True,
    short_help="Every setting, where it comes from; change one.",
)
@click.pass_context
@pass_state
def settings(state: State, context: click.Context) -> None:
    """Show every setting: its value, where that comes from (default, file, environment or command
    line), and what it does. Without a daemon, what the next one will use."""
    if context.invoked_subcommand is not None:
        return
    client = _daemon(state)
    problem = advice = ""
    if client is None:
        rows = without_daemon(state)
    else:
        with client:
            found = client.get("/settings")
        rows, problem, advice = found["items"], found["problem"], found["advice"]
    if problem:
        note(f"The sources are unknown, and the next start would fail: {safe(problem)}.", "red")
        note(f"What to do: {safe(advice)}; then earmark settings reload", "red")
    if state.json:
        emit(rows)
        return
    table(
        ["setting", "value", "source", fold("what it does")],
        [
            (
                row["name"],
                _shown(row["value"]),
                row["source"] + (", another waits" if row["waits"] else ""),
                row["help"],
            )
            for row in rows
        ],
    )
    if any(row["waits"] for row in rows):
        say("Values in earmark.toml wait: earmark settings reload, or a restart.", "yellow")


# A value may begin with a dash, as -1 does.
@settings.command(
    "set",
    short_help="Write a setting into earmark.toml.",
    context_settings={"ignore_unknown_options": True},
)
@click.argument("name")
@click.argument("value")
@pass_state
def set_(state: State, name: str, value: str) -> None:
    """Write the setting NAME (such as listen.threshold) into earmark.toml, whose comments stay,
    and let the daemon read it again. A list is written with commas."""
    _put(state, name, value)


@settings.command("reset", short_help="Take a setting out of earmark.toml: its default.")
@click.argument("name")
@pass_state
def reset(state: State, name: str) -> None:
    """Take the setting NAME out of earmark.toml, so that its default is used."""
    _put(state, name, None)


@settings.command("reload", short_help="Let the daemon read earmark.toml again.")
@pass_state
def reload(state: State) -> None:
    """Let the daemon read earmark.toml again, and say what is at work now and what needs a
    restart. SIGHUP (`systemctl reload earmark`) does the same."""
    with state.client() as client:
        done = client.post("/settings/reload")
    if state.json:
        emit(done)
        return
    _tell(done)


def _put(state: State, name: str, value: str | None) -> None:
    import os

    from appliance.errors import InvalidInput
    from appliance.settings_file import put
    from appliance.settings_reading import known

    row = known(name)
    client = _daemon(state)
    if client is not None and not client.address.startswith("unix:"):
        client.close()
        raise InvalidInput(
            "settings are written on the box itself", "log in there, and run this without --url"
        )
    folder = _folder(state) if client is None else Path(client.get("/status")["data_folder"])
    if not folder.is_dir():
        raise InvalidInput(f"there is no data folder {folder}", "name it with --data")
    file = folder / "earmark.toml"
    written = put(file, name, value)
    done: dict[str, Any] | None = None
    if client is not None:
        with client:
            done = client.post("/settings/reload")
    if state.json:
        emit({"name": name, "value": written, "file": str(file), "reloaded": done})
        return
    say(f"{name} is {_shown(row.default if value is None else written)} in {file}")
    if row.environment in os.environ:
        note(f"{row.environment} is set in this environment, and wins over the file.", "yellow")
    if done is not None:
        _tell(done)


def _tell(done: dict[str, Any]) -> None:
    if done["now"]:
        say(f"At work now: {', '.join(done['now'])}")
    if done["restart"]:
        say(f"Waiting for a restart of the daemon: {', '.join(done['restart'])}", "yellow")
    if not done["now"] and not done["restart"]:
        say("Nothing changed for the daemon.")


def _daemon(state: State) -> Client | None:
    """None where there is none and none was named."""
    from appliance.client import DaemonUnreachable

    try:
        return state.client()
    except DaemonUnreachable:
        if state.url:
            raise
        return None


def without_daemon(state: State) -> list[dict[str, Any]]:
    """Every setting as the next daemon will use it."""
    from appliance.settings_file import sources
    from appliance.settings_reading import describe, load, value_of

    file = _folder(state) / "earmark.toml"
    read, origins = load(file), sources(file)
    return [row.told(value_of(read, row.name), origins[row.name]) for row in describe()]


def _folder(state: State) -> Path:
    from appliance.paths import default_data_folder

    return (state.data or default_data_folder()).expanduser()


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "-"
    return str(value) if value != "" else "-"
