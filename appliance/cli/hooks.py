"""`earmark hooks`: the owner's programs that run when something happens."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli.common import State, emit, group, pass_state
from appliance.cli.output import count, fold, moment, right, safe, say, table


@group(
    "hooks",
    short_help="Programs that run when something happens; try one.",
    invoke_without_command=True,
)
@click.pass_context
@pass_state
def hooks(state: State, context: click.Context) -> None:
    """List the hooks: executables in the hooks folder, with how they did.

    One in the folder itself runs for every event, one in hooks/detection/ for detections alone.
    """
    if context.invoked_subcommand is not None:
        return
    with state.client() as client:
        seen = client.get("/hooks")
    if state.json:
        emit(seen)
        return
    if not seen["hooks"]:
        say(f"No hook. Put an executable into {safe(seen['folder'])}: docs/hooks.md")
        return
    table(
        [fold("hook"), "runs for", right("runs"), right("failed"), "last", fold("how")],
        [
            (
                hook["name"],
                "every event" if len(hook["events"]) > 1 else hook["events"][0],
                hook["runs"],
                hook["failures"],
                moment(hook["last_at"]) if hook["last_at"] else "never",
                _how(hook),
            )
            for hook in seen["hooks"]
        ],
    )
    if seen["dropped"]:
        say(f"{count(seen['dropped'], 'event')} dropped: the hooks are too slow", "yellow")


def _how(hook: dict[str, Any]) -> str:
    if hook["problem"]:
        return f"not run: {hook['problem']}"
    if hook["last_at"] is None:
        return ""
    return hook["last_problem"] or f"ok, {hook['last_seconds']:.1f} s"


@hooks.command("test", short_help="Run one hook now with an invented event.")
@click.argument("name")
@click.option("--event", metavar="EVENT", help="For this event, such as detection or disk-low.")
@pass_state
def hooks_test(state: State, name: str, event: str | None) -> None:
    """Run the hook NAME now, with an invented event that says "test": true.

    The exit status is 0 when the hook's was.
    """
    with state.client() as client:
        tested = client.post("/hooks/test", {"name": name, "event": event})
    run = tested["run"]
    if state.json:
        emit(tested)
    else:
        for line in run["output"].splitlines():
            say(f"  {safe(line)}")
        style = None if run["status"] == 0 else "red"
        said = run["problem"] or "it ended well"
        say(f"{safe(name)}: {safe(said)}, {run['seconds']:.1f} s", style)
    raise click.exceptions.Exit(0 if run["status"] == 0 else 1)
