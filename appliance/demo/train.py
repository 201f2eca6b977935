"""The middle of the demo: a job is queued, its training watched, its version judged."""

from __future__ import annotations

import time
from typing import Any

from appliance.client import Client
from appliance.demo.show import Screen, confusion, share
from appliance.errors import TrainingError, Unavailable
from appliance.units import human_duration

MAX_MINUTES = 6
_ENDED = ("completed", "failed", "cancelled")


def readiness(client: Client, screen: Screen) -> None:
    """Show readiness by class. Raises Unavailable when training may not start."""
    ready = client.get("/readiness")
    screen.table(
        ["class", "clips", "needed", "recordings", "ready"],
        [
            (c["label"], c["clips"], c["needed"], c["sessions"], "yes" if c["ready"] else "no")
            for c in ready["classes"]
        ],
    )
    for warning in ready["warnings"]:
        screen.say(f"note: {warning}", "yellow")
    if not ready["ready"]:
        raise Unavailable(
            "not ready to train: " + "; ".join(ready["reasons"]),
            "the box did not record what was played; see its log",
        )


def submit(client: Client, screen: Screen) -> dict[str, Any]:
    """Show the specification and submit the job; gives the job."""
    spec = client.get("/jobs/specification", max_minutes=MAX_MINUTES, flavor="free")
    plan = spec["plan"]
    screen.say(f"dataset version  {spec['dataset_version']}")
    screen.say(f"flavor           {spec['flavor']} (this device, at most one hour)")
    screen.say(f"maximum          {spec['max_minutes']} minutes")
    screen.say(f"planned          about {human_duration(plan['seconds'])}: {plan['why']}")
    screen.say(f"queue            position {spec['position']}")
    job: dict[str, Any] = client.post(
        "/jobs",
        {
            "max_minutes": MAX_MINUTES,
            "flavor": "free",
            "dataset_version": spec["dataset_version"],
        },
    )
    screen.say(f"job {job['id']} is queued; dataset version {job['dataset_version']} is published")
    return job


def watch(client: Client, screen: Screen, job_id: int) -> dict[str, Any]:
    """Show the training until it has ended; gives the ended job. Raises TrainingError."""
    phase = ""
    with screen.moving() as line:
        while True:
            job: dict[str, Any] = client.get(f"/jobs/{job_id}")
            progress = job["progress"] or {}
            if job["state"] in _ENDED:
                break
            if progress.get("phase") not in (None, phase):
                phase = progress["phase"]
                screen.say(f"{human_duration(job['used_s']):>7}  {phase}")
            line.update(_progress_words(job, progress), progress.get("fraction"))
            time.sleep(0.3)
    if job["state"] != "completed" or not job["version"]:
        raise TrainingError(
            job["reason"] or "failed",
            f"job {job_id} {job['state']}: {job['reason']} {job['detail']}".rstrip(),
            f"its log: `earmark job {job_id}`",
        )
    points = [p for p in client.get(f"/jobs/{job_id}/progress")["items"] if p.get("loss")]
    if points:
        screen.say(f"loss from {points[0]['loss']:.2f} to {points[-1]['loss']:.2f}")
    screen.say(
        f"{job['state']} ({job['reason']}) after {human_duration(job['used_s'])}: "
        f"version {job['version']}",
        "green",
    )
    return job


def _progress_words(job: dict[str, Any], progress: dict[str, Any]) -> str:
    words = [progress.get("phase") or job["state"]]
    if progress.get("steps"):
        words.append(f"step {progress['step']} of {progress['steps']}")
    if progress.get("loss") is not None:
        words.append(f"loss {progress['loss']:.3f}")
    if progress.get("accuracy") is not None:
        words.append(f"accuracy {share(progress['accuracy'])}")
    if progress.get("eta_s") is not None:
        words.append(f"{human_duration(progress['eta_s'])} left")
    return " · ".join(words)


def evaluation(client: Client, screen: Screen, version: str) -> dict[str, Any]:
    """Show how the version was judged; gives the evaluation."""
    told: dict[str, Any] = client.get(f"/versions/{version}/evaluation")
    screen.say(
        f"{version}: accuracy {share(told['accuracy'])}, macro F1 {share(told['macro']['f1'])} "
        f"over {told['clips']} clips ({told['protocol']}: each clip judged by a network that "
        "never saw it)"
    )
    if told["optimistic"]:
        screen.say(f"optimistic: {told['note']}", "yellow")
    screen.table(
        ["class", "precision", "recall", "F1", "clips"],
        [
            (c["label"], share(c["precision"]), share(c["recall"]), share(c["f1"]), c["support"])
            for c in told["classes"]
        ],
    )
    screen.console.print()
    screen.table(*confusion(told["confusion"]["labels"], told["confusion"]["counts"]))
    return told


def deploy(client: Client, screen: Screen, version: str) -> dict[str, Any]:
    """Compile, certify and deploy; gives the deployment."""
    done: dict[str, Any] = client.post("/deployments", {"version": version})
    certificate = done["certificate"]
    screen.say(f"{version} listens on {done['engine']} ({done['precision']})", "green")
    screen.say(
        f"certificate: {share(certificate['agreement'])} of {certificate['windows']} real windows "
        "get the same label as from the training framework "
        f"({share(certificate['needed_agreement'])} is needed)"
    )
    screen.say(
        f"             largest difference {certificate['largest_difference']:.1g} "
        f"({certificate['allowed_difference']:.1g} is allowed)"
    )
    screen.say(
        f"             {certificate['latency_median_ms']:.1f} ms a window, "
        f"p99 {certificate['latency_p99_ms']:.1f} ms"
    )
    return done
