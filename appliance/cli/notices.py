"""`earmark notices`: what the box did by itself that a person should know of."""

from __future__ import annotations

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.output import count, moment, safe, say


@command("notices", short_help="What the box did by itself that you should know of.")
@click.argument("read", type=click.Choice(["read"]), required=False)
@click.argument("number", type=click.IntRange(1), required=False)
@click.option("--all", "everything", is_flag=True, help="Those that were read, too.")
@pass_state
def notices(state: State, read: str | None, number: int | None, everything: bool) -> None:
    """List what happened: a database that was restored, files that were set aside. With `read` they
    are done with (or only the one of that NUMBER): until then `earmark doctor` shows them, and the
    light asks for attention.
    """
    with state.client() as client:
        if read:
            answered = client.post("/notices/read", {"id": number} if number else {})
            if state.json:
                emit(answered)
            else:
                say(f"{count(answered['read'], 'notice')} read.")
            return
        items = client.get("/notices")["items"]
    shown = [item for item in items if everything or not item["read_by"]]
    if state.json:
        emit(shown)
        return
    for item in shown:
        style = "bold red" if item["state"] == "failing" else "yellow"
        by = f", read by {safe(item['read_by'])}" if item["read_by"] else ""
        say(f"{item['id']}  {moment(item['at'])}  {safe(item['topic'])}{by}", style)
        say(f"   {safe(item['says'])}")
        say(f"   {safe(item['advice'])}")
    if not shown:
        say("There is nothing that you have not read.")
