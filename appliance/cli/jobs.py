"""`earmark jobs`, `job` and `cancel`; how a training is followed until its end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.filters import page_options
from appliance.cli.output import (
    fold,
    moment,
    note,
    pairs,
    percent,
    right,
    safe,
    say,
    say_curve,
    table,
)
from appliance.units import human_duration

if TYPE_CHECKING:
    from appliance.client import Client

ENDED = ("completed", "failed", "cancelled")
LOOK_EVERY_S = 1.0
# A daemon that restarts goes on with the job; so does whoever waits for it.
PATIENCE_S = 120.0


@command("jobs", short_help="List trainings and the queue.")
@page_options
@pass_state
def jobs(state: State, limit: int, cursor: str | None, everything: bool) -> None:
    """List trainings, the newest first: state, reason, place in the queue, version."""
    from appliance.cli.filters import fetch

    page = fetch(state, "/jobs", {}, limit, cursor, everything)
    if state.json:
        emit(page)
        return
    if not page["items"]:
        say("No training yet. Queue one: earmark train")
        return
    table(
        [
            right("id"),
            "state",
            fold("reason"),
            right("done"),
            fold("dataset"),
            "version",
            "submitted",
            right("took"),
        ],
        [
            (
                job["id"],
                job["state"],
                _reason(job),
                _done(job),
                job["dataset_version"],
                job["version"],
                moment(job["submitted_at"]),
                human_duration(job["used_s"]) if job["used_s"] else "",
            )
            for job in page["items"]
        ],
    )
    if page["next"]:
        note(f"There are more: add --cursor {page['next']} or --all", "dim")


def _reason(job: dict[str, Any]) -> str:
    if job["state"] == "queued" and job["position"]:
        start = job["expected_start"]
        return f"number {job['position']}" + (f", about {moment(start)[11:16]}" if start else "")
    return _why(job)


def _why(job: dict[str, Any]) -> str:
    """The reason, where it says more than the state."""
    return "" if job["reason"] in (None, job["state"]) else str(job["reason"])


def _done(job: dict[str, Any]) -> str:
    progress = job["progress"]
    if job["state"] in ENDED or not progress:
        return ""
    return f"{100 * progress['fraction']:.0f} %"


@command("job", short_help="Show one training: progress, events, log.")
@click.argument("identifier", metavar="ID", type=int)
@click.option("--wait", is_flag=True, help="Follow it until it ends.")
@click.option("--log", "with_log", is_flag=True, help="Print what the training wrote.")
@pass_state
def job(state: State, identifier: int, wait: bool, with_log: bool) -> None:
    """Show one training: state, plan, progress and its curve so far."""
    if wait:
        ended = follow(state, identifier)
        finish(state, ended)
    with state.client() as client:
        found = client.get(f"/jobs/{identifier}")
        log = client.get(f"/jobs/{identifier}/log") if with_log else None
        points = client.get(f"/jobs/{identifier}/progress")["items"]
        events = client.get(f"/jobs/{identifier}/events")["items"]
    if state.json:
        more = {"log": log} if with_log else {}
        emit({**found, "points": points, "events": events, **more})
        return
    show(found)
    for event in events:
        words = " ".join(part for part in (event["state"], _why(event), event["detail"]) if part)
        say(f"{moment(event['at'])}  {safe(words)}", "dim")
    _curve(points)
    if log is not None:
        for line in str(log).splitlines():
            say(safe(line))


def show(found: dict[str, Any]) -> None:
    """One job as lines."""
    plan, progress = found["plan"] or {}, found["progress"] or {}
    planned = f"about {human_duration(plan['seconds'])}: {plan['why']}" if plan.get("why") else None
    used, limit = found["used_s"], human_duration(found["limit_s"])
    running = progress if found["state"] not in ENDED else {}
    pairs(
        [
            ("job", found["id"]),
            ("state", f"{found['state']}{': ' + _reason(found) if _reason(found) else ''}"),
            ("detail", found["detail"]),
            ("dataset", found["dataset_version"]),
            ("begins with", found["from_version"]),
            ("flavor", found["flavor"]),
            ("limit", limit),
            ("plan", planned),
            ("done", f"{100 * running['fraction']:.0f} %" if running else None),
            ("now", _progress_words(running) if running else None),
            ("took", human_duration(used) if used else None),
            ("attempts", found["attempts"] if found["attempts"] > 1 else None),
            ("version", found["version"]),
            ("submitted", f"{moment(found['submitted_at'])} by {found['author']}"),
            ("started", moment(found["started_at"])),
            ("ended", moment(found["ended_at"])),
        ]
    )


def _progress_words(progress: dict[str, Any]) -> str:
    parts = []
    if progress.get("eta_s"):
        parts.append(f"{human_duration(progress['eta_s'])} left")
    if progress.get("phase"):
        parts.append(str(progress["phase"]))
    if progress.get("steps"):
        parts.append(f"step {progress['step']} of {progress['steps']}")
    if progress.get("loss") is not None:
        parts.append(f"loss {progress['loss']:.3f}")
    if progress.get("accuracy") is not None:
        parts.append(f"accuracy {percent(progress['accuracy'])}")
    return safe(" · ".join(parts))


def _curve(points: list[dict[str, Any]]) -> None:
    values = [point["loss"] for point in points if point.get("loss") is not None]
    if len(values) < 2:
        return
    say(f"loss, {max(values):.3f} to {min(values):.3f}", "dim")
    say_curve(values)


@command("cancel", short_help="Cancel a training that is queued or running.")
@click.argument("identifier", metavar="ID", type=int)
@pass_state
def cancel(state: State, identifier: int) -> None:
    """Cancel a training. The best model that it has so far becomes a version."""
    with state.client() as client:
        found = client.post(f"/jobs/{identifier}/cancel")
    if state.json:
        emit(found)
    elif found["state"] in ENDED and not found["cancel_requested"]:
        why = f", {found['reason']}" if _why(found) else ""
        say(f"Job {found['id']} had ended before: {found['state']}{why}.")
    elif found["state"] in ENDED:
        say(f"Job {found['id']} is {found['state']}.")
    else:
        say(f"Job {found['id']} is being cancelled; its best model so far is kept.")


def follow(state: State, identifier: int) -> dict[str, Any]:
    """Show a job's progress until it ends; the job as it is then. Ctrl-C leaves the job alone."""
    from appliance.cli.progress import Progress
    from appliance.client import DaemonUnreachable

    seen = ""
    heard = time.monotonic()
    client: Client | None = None
    with Progress(f"job {identifier}", 100, "%", quiet=state.json) as shown:
        try:
            while True:
                try:
                    client = client or state.client()
                    found: dict[str, Any] = client.get(f"/jobs/{identifier}")
                    heard = time.monotonic()
                except DaemonUnreachable:
                    if time.monotonic() - heard > PATIENCE_S or not seen:
                        raise
                    client = None
                    time.sleep(LOOK_EVERY_S)
                    continue
                progress = found["progress"] or {}
                words = ": ".join(part for part in (found["state"], _reason(found)) if part)
                if progress and found["state"] not in ENDED:
                    words += f" · {_progress_words(progress)}"
                shown.words(100 * progress.get("fraction", 0.0), words, now=found["state"] != seen)
                seen = found["state"]
                if seen in ENDED:
                    return found
                time.sleep(LOOK_EVERY_S)
        except KeyboardInterrupt:
            if not state.json:
                note(f"The training goes on. `earmark job {identifier} --wait` follows it again.")
            raise
        finally:
            if client is not None:
                client.close()


def finish(state: State, ended: dict[str, Any]) -> None:
    """Say how a job ended, and end the command: 0 only when it is completed."""
    if state.json:
        emit(ended)
    else:
        reason = f" ({_why(ended)})" if _why(ended) else ""
        took = f" after {human_duration(ended['used_s'])}" if ended["used_s"] else ""
        say(f"Job {ended['id']} is {ended['state']}{safe(reason)}{took}.")
        if ended["detail"]:
            say(safe(ended["detail"]), "yellow")
        if ended["version"]:
            say(f"{ended['version']} is there: earmark version {ended['version']}")
    raise click.exceptions.Exit(0 if ended["state"] == "completed" else 1)
