"""`earmark deploy`, `rollback`, `predict` and `thresholds`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, emit, group, next_step, pass_state
from appliance.cli.engines import post_and_show, show_certificate
from appliance.cli.output import (
    bar,
    count,
    fold,
    moment,
    note,
    on_terminal,
    percent,
    right,
    safe,
    say,
    table,
)

if TYPE_CHECKING:
    from appliance.client import Client

# A label of which fewer sounds than this reach the threshold is as good as not listened for.
POOR_RECALL = 0.5


@command("deploy", short_help="Let a version listen.")
@click.argument("version", required=False)
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    metavar="fp32|fp16|int8",
    help="Of the engine that is compiled for this device.",
)
@click.option("--force", is_flag=True, help="Although it is worse than what listens.")
@click.option("--shadow", is_flag=True, help="Silently beside what listens: see `earmark shadow`.")
@click.option("--cancel", is_flag=True, help="End the deployment that is under way.")
@pass_state
def deploy(
    state: State, version: str | None, precision: str, force: bool, shadow: bool, cancel: bool
) -> None:
    """Hear VERSION against what listens now, compile it for this device, and let it listen.

    It is heard against the labelled clips and the last hours of each microphone. A version that is
    worse, or whose engine does not agree with its training, is refused, and what listened before
    goes on. fp16 and int8 are faster on a GPU and smaller everywhere; only the front end stays in
    fp32. Without VERSION: what listens now, and what did before.

    Ctrl-C leaves the box at it; `earmark deploy --cancel` ends the engine that is being built, for
    whatever it is, or the comparison before it, and what listened before goes on.
    """
    if cancel and version is not None:
        raise click.UsageError("--cancel ends the deployment that is under way: name no version")
    with state.client() as client:
        if cancel:
            _cancelled(state, client.post("/deployments/cancel"))
            return
        if version is None:
            _history(state, client)
            return
        body: dict[str, Any] = {"version": version, "precision": precision}
        if shadow:
            from appliance.cli.shadow import show_shadow

            show_shadow(state, client.post("/shadow", body))
            return
        made = client.post("/deployments", {**body, "force": force, "wait_s": 0})
        if "candidate" in made:
            made = _followed(state, client, made)
    _live(state, made)


def _cancelled(state: State, work: dict[str, Any]) -> None:
    if state.json:
        emit(work)
        return
    name = f"{safe(work['version'])} in {safe(work['precision'])}"
    if work["state"] == "ready":
        say(f"The engine of {name} was done already: `earmark deploy` says what listens.")
    else:
        say(f"{name} is not deployed; what listened before goes on.")


def _followed(state: State, client: Client, comparison: dict[str, Any]) -> dict[str, Any]:
    """The deployment that the comparison leads to, once it does."""
    from appliance.cli.compare import follow, show_report
    from appliance.client import ClientError

    ended = follow(state, client, comparison)
    if ended["deployment"] is None:
        if not state.json and ended["report"].get("compared"):
            show_report(ended)
        advice = f"see `earmark compare {ended['id']}`"
        if ended["state"] == "refused":
            advice += ", or deploy it all the same with --force"
        raise ClientError(f"{ended['candidate']} is not deployed: {ended['detail']}", advice)
    if not state.json and ended["report"].get("compared"):
        show_report(ended)
    known = client.get("/deployments")["items"]
    made = next(row for row in known if row["id"] == ended["deployment"])
    return {**made, "comparison": ended["id"]}


def _history(state: State, client: Client) -> None:
    known = client.get("/deployments")
    if state.json:
        emit(known)
        return
    if not known["items"]:
        say(f"Nothing is deployed; {next_step(client)}")
        return
    table(
        [right("id"), "version", "precision", "state", "since", "until", fold("engine")],
        [
            (
                row["id"],
                row["version"],
                row["precision"],
                row["state"],
                moment(row["created_at"]),
                moment(row["ended_at"]),
                row["engine"],
            )
            for row in known["items"]
        ],
    )
    current = known["current"]
    if current and current.get("problem"):
        note(f"{current['version']} does not run: {safe(current['problem'])}", "red")
    elif current:
        if current.get("notice"):
            note(safe(current["notice"]), "yellow")
        show_certificate(current["certificate"])


def _live(state: State, made: dict[str, Any]) -> None:
    if state.json:
        emit(made)
        return
    say(f"{made['version']} listens now ({made['precision']}, {safe(made['engine'])}).", "green")
    show_certificate(made["certificate"])


@command("rollback", short_help="Go back to the deployment before.")
@pass_state
def rollback(state: State) -> None:
    """Deploy again what listened before; twice in a row comes back to where it began."""
    with state.client() as client:
        _live(state, post_and_show(state, client, "/deployments/rollback", None))


@command("predict", short_help="Ask the deployed version about files.")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--top",
    type=click.IntRange(1, 100),
    default=3,
    show_default=True,
    help="So many labels of each file.",
)
@click.option("--windows", is_flag=True, help="Show each window's best label too.")
@pass_state
def predict(state: State, files: tuple[Path, ...], top: int, windows: bool) -> None:
    """What does the deployed version say about FILES? A bad file stops none of the others."""
    from appliance.client import FILES_A_REQUEST

    results = [_not_there(path) for path in files if not path.is_file()]
    there = tuple(path for path in files if path.is_file())
    version = ""
    with state.client() as client:
        for start in range(0, len(there), FILES_A_REQUEST):
            part = there[start : start + FILES_A_REQUEST]
            answer = _ask(client, part)
            version = answer["version"] or version
            for path, result in zip(part, answer["results"], strict=True):
                results.append({**result, "filename": str(path)})
    if state.json:
        emit({"results": results, "version": version})
    else:
        for result in results:
            _show(result, top, windows)
    raise click.exceptions.Exit(1 if any(r.get("error") for r in results) else 0)


def _not_there(path: Path) -> dict[str, Any]:
    what = "is a folder" if path.is_dir() else "is not there"
    problem = {"detail": f"{path} {what}", "advice": "give a sound file", "status": 404}
    return {"filename": str(path), "error": problem}


def _ask(client: Client, files: tuple[Path, ...]) -> dict[str, Any]:
    from appliance.client import ClientError

    named = [(f"{number}", path) for number, path in enumerate(files)]
    try:
        answer: dict[str, Any] = client.upload("/predict", named)
    except ClientError as error:
        # A single bad file comes back as its problem.
        if len(files) != 1 or error.status != 422:
            raise
        said = {"detail": error.message, "advice": error.advice, "status": error.status}
        return {"results": [{"error": error.problem or said}], "version": ""}
    return answer


def _show(result: dict[str, Any], top: int, windows: bool) -> None:
    name = safe(result["filename"])
    if problem := result.get("error"):
        advice = f" ({safe(problem['advice'])})" if problem.get("advice") else ""
        note(f"failed  {name}: {safe(problem['detail'])}{advice}", "red")
        return
    say(f"{name}: {safe(result['label'])} {percent(result['score'])}", "bold")
    ranked = sorted(result["scores"].items(), key=lambda item: -item[1])[:top]
    width = max(len(safe(label)) for label, _ in ranked)
    for label, score in ranked:
        shown = f"{bar(score)}  " if on_terminal() else ""
        say(f"  {safe(label).ljust(width)}  {shown}{percent(score)}")
    if windows:
        for window in result["windows"]:
            best = window["top"][0]
            say(f"  {window['start_s']:7.2f} s  {safe(best['label'])} {percent(best['score'])}")


@group(
    "thresholds",
    short_help="Show or set the score that a label must reach.",
    invoke_without_command=True,
)
@click.pass_context
@pass_state
def thresholds(state: State, context: click.Context) -> None:
    """The score that a sound must reach before it is reported, label by label."""
    from appliance.client import quoted

    if context.invoked_subcommand is not None:
        return
    with state.client() as client:
        rows = [
            client.get(f"/labels/{quoted(label['name'])}/threshold")
            for label in client.get("/labels")["items"]
            if label["name"] != "background"  # it is never reported
        ]
    if state.json:
        emit({"items": rows})
    elif rows:
        table(
            [fold("label"), right("threshold"), "", right("false a day"), right("recall")],
            [
                (
                    r["label"],
                    f"{r['value']:.2f}",
                    _origin(r),
                    _a_day(r["expected"]),
                    _between((r["expected"] or {}).get("recall")),
                )
                for r in rows
            ],
        )
    else:
        say("There is no label yet.")


@thresholds.command("set", short_help="Give a label a threshold of its own.")
@click.argument("label")
@click.argument("value", type=float, required=False)
@click.option(
    "--per-day", type=float, metavar="N", help="At most N false alarms a day: the box solves it."
)
@pass_state
def set_threshold(state: State, label: str, value: float | None, per_day: float | None) -> None:
    """Set the score that LABEL must reach to be reported: VALUE, between 0 and 1. 0.5 reports
    much, 0.9 little. It works at once.

    With --per-day 1 the box solves the score from the hours that it has listened with the
    deployed version: every time that the score rose counts as a false alarm, unless you confirmed
    it. It is solved again as hours pass and when you confirm or refute detections; only a
    confirmed one may lower it.
    """
    if (value is None) == (per_day is None):
        raise click.UsageError("give a VALUE, or --per-day N")
    _put(state, label, {"value": value} if per_day is None else {"per_day": per_day})


@thresholds.command("reset", short_help="Go back to the default threshold.")
@click.argument("label")
@pass_state
def reset_threshold(state: State, label: str) -> None:
    """Give LABEL the default threshold again."""
    _put(state, label, {"value": None})


def _put(state: State, label: str, body: dict[str, float | None]) -> None:
    from appliance.client import quoted

    with state.client() as client:
        row = client.put(f"/labels/{quoted(label)}/threshold", body)
        if state.json:
            emit(row)
            return
        kind = "" if row["own"] else " (the default)"
        say(f"{safe(row['label'])} must reach {row['value']:.2f}{kind}.")
        _expected(client, row)


def _origin(row: dict[str, Any]) -> str:
    if row["per_day"] is not None:
        return f"at most {row['per_day']:g} false a day"
    return "" if row["own"] else "default"


def _a_day(expected: dict[str, Any] | None) -> str:
    if expected is None or expected["a_day"] is None:
        return "?"
    return f"{expected['a_day']:.2g} ({expected['low']:.2g} to {expected['high']:.2g})"


def _between(share: dict[str, Any] | None) -> str:
    if share is None:
        return "?"
    return f"{share['value']:.0%} ({share['low']:.0%} to {share['high']:.0%})"


def _expected(client: Client, row: dict[str, Any]) -> None:
    """What the threshold lets expect, and what that rests on."""
    expected = row["expected"]
    if expected is None:
        live = client.get("/deployments")["current"]
        note(
            f"Nothing is deployed; {next_step(client)}"
            if live is None
            else f"{live['version']}, which is deployed, does not know this label.",
            "dim",
        )
        return
    say(f"  false alarms  {safe(expected['sentence'])}")
    if (recall := expected["recall"]) is not None:
        say(f"  recall        {_between(recall)}, on {count(recall['total'], 'held-out clip')}")
    if (precision := expected["precision"]) is not None:
        on = "confirmed detections" if expected["precision_from"] == "detections" else "clips"
        say(f"  precision     {_between(precision)}, on {on}")
    if expected["unreviewed"]:
        say(
            f"  {count(expected['unreviewed'], 'detection')} that nobody has judged count as false:"
            " earmark detections confirm ID"
        )
    if recall is not None and recall["value"] < POOR_RECALL:
        note(_more_recall(row, expected), "yellow")


def _more_recall(row: dict[str, Any], expected: dict[str, Any]) -> str:
    """What to do about a threshold that hardly any sound of its label reaches."""
    label = safe(row["label"])
    few = f"  Few sounds of {label} reach {row['value']:.2f}, so it will seldom be reported. "
    if row["per_day"] is None:
        return f"{few}Set it lower, or train with more clips of it."
    if expected["guessed"]:
        few += "That is a guess until it has listened for longer, and is then solved again. "
    more = f"--per-day {max(1.0, row['per_day'] * 10):g}"
    return f"{few}Allow more false alarms ({more}), or train with what it takes for {label}."
