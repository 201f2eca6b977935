"""`earmark audit`: who changed what."""

from __future__ import annotations

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.output import right, safe, table


@command("audit", short_help="Who changed what, and when.")
@click.option(
    "--last", type=click.IntRange(1, 10_000), default=30, show_default=True, help="How many."
)
@pass_state
def audit(state: State, last: int) -> None:
    """List the last changes that were asked of the box, the newest last, with the HTTP status that
    answered each. The file is audit.log in the data folder; it holds no tokens and no contents."""
    with state.client() as client:
        items = client.get("/audit", last=last)["items"]
    if state.json:
        emit(items)
        return
    table(
        ["when", "who", "what", right("status")],
        [(row["at"], safe(row["who"]), row["what"], row["status"]) for row in items],
    )
