"""`earmark clips --inbox`: clips without a label, those that would teach most first."""

from __future__ import annotations

from typing import Any

import click

from appliance.cli.common import State, emit
from appliance.cli.filters import fetch
from appliance.cli.output import count, fold, note, percent, right, say, table

FILTERS = ("label", "microphone", "unlabelled")


def show_inbox(
    state: State, filters: dict[str, Any], limit: int, cursor: str | None, everything: bool
) -> None:
    """A page of the inbox; `filters` as `earmark clips` takes them, as far as the inbox can."""
    if foreign := sorted(set(filters) - set(FILTERS)):
        raise click.UsageError(
            f"--inbox takes --label (the suggested one) and --microphone, not --{foreign[0]}"
        )
    wanted = {name: value for name, value in filters.items() if name != "unlabelled"}
    page = fetch(state, "/inbox", wanted, limit, cursor, everything)
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say(
            "No clip in the inbox meets these conditions."
            if wanted
            else "The inbox is empty: every clip has a label."
        )
        return
    table(
        [right("id"), fold("suggested"), right("score"), right("length"), "source", fold("why")],
        [
            (
                clip["id"],
                clip["suggested_label"] or "-",
                "" if clip["suggested_score"] is None else percent(clip["suggested_score"]),
                f"{clip['duration_s']:.1f} s",
                clip["source"],
                ("! " if clip["flagged"] else "") + clip["reason"],
            )
            for clip in page["items"]
        ],
    )
    if page["next"]:
        note(
            f"{count(len(page['items']), 'clip')} shown; there are more: "
            f"add --cursor {page['next']} or --all",
            "dim",
        )
