"""`earmark compare`: two versions heard against each other, and the reports of earlier ones."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.output import count, fold, moment, note, percent, right, safe, say, table
from appliance.cli.progress import Progress
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
    live, candidate = made["live"], made["candidate"]
    heard = human_duration(made["heard_s"])
    rows = [
        # Reports of earlier releases do not say.
        ("precision", live.get("precision", "fp32"), candidate.get("precision", "fp32")),
        ("recall, clips that neither knew", _share(live["honest"]), _share(candidate["honest"])),
        ("recall, clips it was trained on", _share(live["trained"]), _share(candidate["trained"])),
        (f"events in {heard} of history", live["events"], candidate["events"]),
        ("confirmed by a person", live["confirmed"], candidate["confirmed"]),
        ("refuted", live["refuted"], candidate["refuted"]),
        ("unconfirmed", live["unconfirmed"], candidate["unconfirmed"]),
        (
            "false alarms an hour, at most",
            _rate(live["false_alarms_per_hour"]),
            _rate(candidate["false_alarms_per_hour"]),
        ),
        (
            "of the confirmed sounds heard",
            f"{live['confirmed_heard']} of {live['confirmed_sounds']}",
            f"{candidate['confirmed_heard']} of {candidate['confirmed_sounds']}",
        ),
    ]
    table([fold(""), right(live["version"]), right(candidate["version"])], rows)
    _labels(live, candidate)
    for name, sign in (("gained", "+"), ("lost", "-")):
        _events(name, sign, made, events)
    for sentence in made["notes"]:
        note(safe(sentence), "dim")
    for sentence in made["regressions"]:
        note(f"worse: {safe(sentence)}", "red")


def _labels(live: dict[str, Any], candidate: dict[str, Any]) -> None:
    before = {row["label"]: row for row in live["labels"]}
    after = {row["label"]: row for row in candidate["labels"]}
    none: dict[str, Any] = {"recall": None, "clips": 0, "events": 0, "right": 0}
    rows = []
    for label in sorted({*before, *after}):
        old, new = before.get(label, none), after.get(label, none)
        rows.append((label, _share(old), _share(new), old["events"], new["events"]))
    if rows:
        table(
            [
                fold("label"),
                right(f"{live['version']} recall"),
                right(f"{candidate['version']} recall"),
                right(f"{live['version']} events"),
                right(f"{candidate['version']} events"),
            ],
            rows,
        )


def _events(name: str, sign: str, made: dict[str, Any], most: int) -> None:
    total = made[f"{name}_count"]
    if not total:
        return
    say(f"{count(total, 'event')} {name}:")
    for event in made[name][:most]:
        other = f", instead of {safe(event['instead'])}" if event["instead"] else ""
        start = max(0.0, event["offset_s"] - 1)
        end = event["offset_s"] + event["seconds"] + 2
        say(
            f"  {sign} {safe(event['label'])} {percent(event['score'])} at {moment(event['at'])}, "
            f"{event['state']}{other}: earmark history cut {safe(event['microphone'])!r} "
            f"{event['minute']} {start:.1f} {end:.1f}"
        )
    if total > most:
        note(f"  and {total - most} more (--events, --json)", "dim")


def _share(counted: dict[str, Any]) -> str:
    if counted["recall"] is None:
        return "-"
    return f"{percent(counted['recall'])} ({counted['right']} of {counted['clips']})"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.1f}"
