"""`earmark deploy`, `rollback`, `predict` and `thresholds`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, emit, group, pass_state
from appliance.cli.engines import post_and_show, show_certificate
from appliance.cli.output import bar, fold, moment, note, percent, right, safe, say, table

if TYPE_CHECKING:
    from appliance.client import Client


@command("deploy", short_help="Let a version listen.")
@click.argument("version", required=False)
@click.option(
    "--precision",
    default="fp32",
    show_default=True,
    metavar="fp32|fp16|int8",
    help="Of the engine that is compiled for this device.",
)
@pass_state
def deploy(state: State, version: str | None, precision: str) -> None:
    """Compile VERSION for this device, compare it with its training, and let it listen.

    An engine that does not agree with its training is refused, and what listened before goes on.
    fp16 and int8 are faster on a GPU and smaller everywhere; only the front end stays in fp32.
    Without VERSION: what listens now, and what did before.
    """
    with state.client() as client:
        if version is None:
            _history(state, client)
            return
        body = {"version": version, "precision": precision}
        made = post_and_show(state, client, "/deployments", body)
    _live(state, made)


def _history(state: State, client: Client) -> None:
    known = client.get("/deployments")
    if state.json:
        emit(known)
        return
    if not known["items"]:
        say("Nothing is deployed. Let a version listen: earmark deploy V001")
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
@click.argument(
    "files", nargs=-1, required=True, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option("--top", type=click.IntRange(1, 100), default=3, show_default=True, help="Scores.")
@click.option("--windows", is_flag=True, help="Show each window's best label too.")
@pass_state
def predict(state: State, files: tuple[Path, ...], top: int, windows: bool) -> None:
    """What does the deployed version say about FILES? A bad file stops none of the others."""
    from appliance.client import FILES_A_REQUEST

    results: list[dict[str, Any]] = []
    version = ""
    with state.client() as client:
        for start in range(0, len(files), FILES_A_REQUEST):
            part = files[start : start + FILES_A_REQUEST]
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
        say(f"  {safe(label).ljust(width)}  {bar(score)}  {percent(score)}")
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
        ]
    if state.json:
        emit({"items": rows})
    elif rows:
        table(
            [fold("label"), right("threshold"), ""],
            [(r["label"], f"{r['value']:.2f}", "" if r["own"] else "default") for r in rows],
        )
    else:
        say("There is no label yet.")


@thresholds.command("set", short_help="Give a label a threshold of its own.")
@click.argument("label")
@click.argument("value", type=float)
@pass_state
def set_threshold(state: State, label: str, value: float) -> None:
    """VALUE is between 0 and 1: 0.5 reports much, 0.9 little. It works at once."""
    _put(state, label, value)


@thresholds.command("reset", short_help="Go back to the default threshold.")
@click.argument("label")
@pass_state
def reset_threshold(state: State, label: str) -> None:
    """Give LABEL the default threshold again."""
    _put(state, label, None)


def _put(state: State, label: str, value: float | None) -> None:
    from appliance.client import quoted

    with state.client() as client:
        row = client.put(f"/labels/{quoted(label)}/threshold", {"value": value})
    if state.json:
        emit(row)
    else:
        kind = "" if row["own"] else " (the default)"
        say(f"{safe(row['label'])} must reach {row['value']:.2f}{kind}.")
