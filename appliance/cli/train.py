"""`earmark train`: shows what would be trained, asks, and queues it."""

from __future__ import annotations

import uuid
from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, confirmed, emit, pass_state, yes_option
from appliance.cli.output import count, fold, moment, note, pairs, right, safe, say, table
from appliance.errors import NotReady
from appliance.units import human_duration

if TYPE_CHECKING:
    from appliance.client import Client


@command("train", short_help="Publish a dataset version and queue a training.")
@click.option(
    "--max-minutes",
    type=int,
    default=60,
    show_default=True,
    metavar="N",
    help="Maximum training duration, 6 to 6000.",
)
@click.option(
    "--flavor",
    default="free",
    show_default=True,
    metavar="free|compute",
    help="free stops after one hour; compute may use the whole maximum.",
)
@click.option(
    "--dataset-version",
    metavar="NAME",
    help="The name to publish under, or one that exists, to train on it again.",
)
@click.option("--from", "from_version", metavar="V001", help="Begin with this version's weights.")
@click.option("--wait", is_flag=True, help="Follow the training until it ends.")
@click.option("--dry-run", is_flag=True, help="Only show the specification.")
@yes_option
@pass_state
def train(
    state: State,
    max_minutes: int,
    flavor: str,
    dataset_version: str | None,
    from_version: str | None,
    wait: bool,
    dry_run: bool,
    yes: bool,
) -> None:
    """Show the specification (classes, limit, plan, place in the queue), ask, then publish the
    dataset version and queue the training. The daemon trains; this command may end."""
    asked = {
        "max_minutes": max_minutes,
        "flavor": flavor,
        "dataset_version": dataset_version,
        "from_version": from_version,
    }
    with state.client() as client:
        specification = client.get("/jobs/specification", **asked)
        readiness = specification["readiness"]
        if not state.json:
            show_specification(specification, _classes(client, specification))
        possible = readiness["ready"] or specification["dataset_exists"]
        if dry_run and (possible or state.json):
            if state.json:
                emit(specification)
            raise click.exceptions.Exit(0 if possible else 1)
        if not possible:
            raise NotReady(
                readiness["reasons"],
                "2 classes, and 5 clips in each that has any: record or label more, or leave one "
                "out (`earmark labels merge`, `earmark label --none`)",
            )
        confirmed(state, "Submit this training?", yes)
        # The name that was shown is the name that is published, whatever happens meanwhile.
        asked["dataset_version"] = specification["dataset_version"]
        job = client.post("/jobs", {**asked, "idempotency_key": str(uuid.uuid4())})
    if not state.json:
        ahead = (job["position"] or 1) - 1
        place = f" behind {count(ahead, 'job')}" if ahead else ""
        say(f"Job {job['id']} is {job['state']}{place}.")
    if wait:
        from appliance.cli.jobs import finish, follow

        finish(state, follow(state, job["id"]))
    if state.json:
        emit(job)
    else:
        say(f"Follow it: earmark job {job['id']} --wait")


def _classes(client: Client, specification: dict[str, Any]) -> list[tuple[str, int, int]]:
    """Label, clips and sessions of what would be trained on."""
    from appliance.client import quoted

    if not specification["dataset_exists"]:
        known = specification["readiness"]["classes"]
        return [(row["label"], row["clips"], row["sessions"]) for row in known if row["clips"]]
    held = client.get(f"/dataset-versions/{quoted(specification['dataset_version'])}")
    clips: Counter[str] = Counter(clip["label"] for clip in held["clips"])
    sessions = Counter(label for label, _ in {(c["label"], c["session"]) for c in held["clips"]})
    return [(label, clips[label], sessions[label]) for label in sorted(clips)]


def show_specification(specification: dict[str, Any], classes: list[tuple[str, int, int]]) -> None:
    """What would be trained: classes, limit, plan, place in the queue."""
    readiness, plan = specification["readiness"], specification["plan"]
    exists = " (exists: trained on again)" if specification["dataset_exists"] else " (new)"
    planned = f"about {human_duration(plan['seconds'])}, {plan['steps']} steps" if plan else None
    ahead = specification["position"] - 1
    start = specification["expected_start"]
    when = "at once" if ahead <= 0 else f"after {count(ahead, 'job')}, about {moment(start)}"
    if plan is None:
        when = "not yet: it is not ready to train"
    pairs(
        [
            ("dataset version", specification["dataset_version"] + exists),
            ("begins with", specification["from_version"] or "nothing: trained from the start"),
            ("flavor", specification["flavor"]),
            ("limit", human_duration(specification["limit_s"])),
            ("plan", planned),
            ("why", plan["why"] if plan else None),
            ("starts", when),
        ]
    )
    if classes:
        table([fold("class"), right("clips"), right("sessions")], classes)
    for warning in readiness["warnings"]:
        note(f"note  {safe(warning)}", "yellow")
