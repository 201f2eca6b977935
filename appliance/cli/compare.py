"""`earmark compare`: two versions heard against each other, and the reports of earlier ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.output import count, fold, moment, note, percent, right, safe, say, table
from appliance.cli.progress import Progress
from appliance.comparison_figures import by_label, figures, share, stretch
from appliance.units import human_duration

if TYPE_CHECKING:
    from appliance.client import Client

EVENTS_SHOWN = 15
ASK_EVERY_S = 0.4


@command("compare", short_help="Hear two versions against each other.")
@click.argument("words", nargs=-1, metavar="[LIVE CANDIDATE | NUMBER]")
@click.option("--cancel", "cancelled", type=int, metavar="NUMBER", help="End one that runs.")
@click.option("--events", "events", default=EVENTS_SHOWN, show_default=True, help="Shown at most.")
@pass_state
def compare(state: State, words: tuple[str, ...], cancelled: int | None, events: int) -> None:
    """Hear CANDIDATE against LIVE on the labelled clips and the last hours of each microphone:
    `earmark compare V001 V002`. Nothing is deployed.

    With the NUMBER of an earlier comparison: its report. Alone: all there were.
    """
    with state.client() as client:
        if cancelled is not None:
            ended = client.post(f"/comparisons/{cancelled}/cancel")
        elif not words:
            _list(state, client)
            return
        elif len(words) == 1:
            if not words[0].isdecimal():
                raise click.UsageError("name two versions, or the number of a comparison")
            ended = client.get(f"/comparisons/{words[0]}")
        elif len(words) == 2:
            begun = client.post("/comparisons", {"live": words[0], "candidate": words[1]})
            ended = follow(state, client, begun)
        else:
            raise click.UsageError("name two versions, or the number of a comparison")
    if state.json:
        emit(ended)
        return
    say(f"Comparison {ended['id']}: {ended['state']}. {safe(ended['detail'])}")
    if ended["report"].get("compared"):
        show_report(ended, events)


def follow(state: State, client: Client, comparison: dict[str, Any]) -> dict[str, Any]:
    """Wait for its end with percent and time left. Ctrl-C leaves it running."""
    from appliance.cli.engines import building

    what = f"hearing {comparison['candidate']} against {comparison['live'] or 'nothing'}"
    with Progress(what, 100, "%", quiet=state.json) as progress:
        while comparison["state"] == "running":
            time.sleep(ASK_EVERY_S)
            comparison = client.get(f"/comparisons/{comparison['id']}")
            seen = comparison.get("progress") or {}
            left = seen.get("left_s")
            words = seen.get("phase", "")
            if left is not None:
                words += f", {human_duration(left)} left"
            words = building(client) or words
            progress.words(round(100 * seen.get("fraction", 0.0)), words)
    return comparison


def _list(state: State, client: Client) -> None:
    page = client.get("/comparisons", limit=50)
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say("No comparison yet: earmark compare V001 V002")
        return
    table(
        [right("id"), "live", "candidate", "for", "state", "when", fold("in short")],
        [
            (
                row["id"],
                row["live"] or "-",
                row["candidate"],
                row["purpose"] + (" by force" if row["forced"] else ""),
                row["state"],
                moment(row["started_at"]),
                row["detail"],
            )
            for row in page["items"]
        ],
    )


def show_report(comparison: dict[str, Any], events: int = EVENTS_SHOWN) -> None:
    """The report side by side, then what was gained and lost."""
    made = comparison["report"]
    live, candidate = made["live"]["version"], made["candidate"]["version"]
    table([fold(""), right(live), right(candidate)], figures(made))
    if labels := by_label(made):
        table(
            [
                fold("label"),
                right(f"{live} recall"),
                right(f"{candidate} recall"),
                right(f"{live} events"),
                right(f"{candidate} events"),
            ],
            [
                (label, share(old), share(new), old["events"], new["events"])
                for label, old, new in labels
            ],
        )
    for name, sign in (("gained", "+"), ("lost", "-")):
        _events(name, sign, made, events)
    # Reports of earlier releases do not have them.
    for sentence in made.get("warnings", []):
        note(f"many: {safe(sentence)}", "yellow")
    for sentence in made.get("undecided", []):
        note(f"not enough to say: {safe(sentence)}", "yellow")
    for sentence in made["notes"]:
        note(safe(sentence), "dim")
    for sentence in made["regressions"]:
        note(f"worse: {safe(sentence)}", "red")


def _events(name: str, sign: str, made: dict[str, Any], most: int) -> None:
    total = made[f"{name}_count"]
    if not total:
        return
    say(f"{count(total, 'event')} {name}:")
    for event in made[name][:most]:
        other = f", instead of {safe(event['instead'])}" if event["instead"] else ""
        start, end = stretch(event)
        say(
            f"  {sign} {safe(event['label'])} {percent(event['score'])} at {moment(event['at'])}, "
            f"{event['state']}{other}: earmark history cut {safe(event['microphone'])!r} "
            f"{event['minute']} {start:.1f} {end:.1f}"
        )
    if total > most:
        note(f"  and {total - most} more (--events, --json)", "dim")
