"""`earmark status` and `earmark events`."""

from __future__ import annotations

import time
from typing import Any

import click

from appliance.cli.common import State, command, emit, emit_line, pass_state
from appliance.cli.durations import DURATION
from appliance.cli.output import count, decibel, moment, pairs, percent, safe, say
from appliance.units import human_duration, human_size


@command("status", short_help="What the box is doing now.")
@pass_state
def status(state: State) -> None:
    """Show what the box is doing: microphones, the deployment, the training, room on the disk."""
    with state.client() as client:
        seen = client.get("/status")
        readiness = client.get("/readiness")
    if state.json:
        emit({**seen, "readiness": readiness})
        return
    disk = seen["disk"]
    ready = "ready to train" if readiness["ready"] else "not ready: " + readiness["reasons"][0]
    more = len(readiness["reasons"]) - 1
    pairs(
        [
            ("earmark", f"{seen['version']}, up {human_duration(seen['uptime_s'])}"),
            ("data", seen["data_folder"]),
            ("disk", _disk(disk, seen.get("space"))),
            ("memory", f"{seen['memory_mb']:.0f} MB"),
            ("clips", f"{seen['clips']} with {count(seen['labels'], 'label')}"),
            ("training", ready + (f", and {count(more, 'more reason')}" if more > 0 else "")),
            ("job", _job(seen["job"], seen["queue_length"])),
            ("listening", _deployment(seen["deployment"])),
            ("engine", _work(seen.get("engine_work"))),
            ("history", describe_history(seen["history"])),
            ("speech", describe_speech(seen.get("speech"))),
        ]
    )
    privacy = seen.get("privacy")
    if privacy and privacy["paused"]:
        say(f"{safe(privacy['detail'])}. Listen again: earmark resume", "yellow")
    kept = {row["microphone"]: row for row in seen["history"]["microphones"]}
    for microphone in seen["microphones"]:
        past = kept.get(microphone["id"])
        kept_s = f", {_past(past)} of history" if past else ""
        say(f"microphone {safe(microphone['name'])}: {_microphone(microphone)}{kept_s}")
    if not seen["microphones"]:
        say("No microphone is set up: earmark devices")


def _disk(disk: dict[str, Any], space: dict[str, Any] | None) -> str:
    room = f"{human_size(disk['free'])} free of {human_size(disk['total'])}"
    if not space or not space["shed"]:
        return room
    return f"{room}; {space['level']}: not kept now: {', '.join(space['shed'])}"


def _job(job: dict[str, Any] | None, waiting: int) -> str:
    queue = f"{count(waiting, 'job')} waiting" if waiting else ""
    if job is None:
        return queue or "none"
    progress = job["progress"] or {}
    parts = [f"{job['id']} {job['state']}"]
    if progress:
        parts.append(f"{100 * progress['fraction']:.0f} %")
        if progress.get("eta_s"):
            parts.append(f"{human_duration(progress['eta_s'])} left")
    return ", ".join([*parts, *([queue] if queue else [])])


def _deployment(deployment: dict[str, Any] | None) -> str:
    if deployment is None:
        return "nothing is deployed"
    text = f"{deployment['version']} ({deployment['precision']}, {deployment['engine']})"
    if deployment.get("problem"):
        return f"{text}, does not run: {deployment['problem']}"
    if deployment.get("notice"):
        return f"{text}; {deployment['notice']}"
    return f"{text} since {moment(deployment['created_at'])}"


def describe_history(history: dict[str, Any]) -> str:
    """In one line."""
    words = {
        "on": f"the last {history['hours']:g} h of each microphone",
        "off": "off (setting history.hours)",
        "paused": "paused: earmark history resume",
        "shed": "off, because the disk is nearly full (setting space.low_mb)",
    }
    parts = [words.get(history["state"], history["state"]), human_size(history["bytes"])]
    return ", ".join([*parts, *([history["problem"]] if history["problem"] else [])])


def describe_speech(speech: dict[str, Any] | None) -> str | None:
    """In one line; None while the filter is off and never dropped anything; an older daemon has
    none."""
    if speech is None:
        return None
    today, ever = (sum(one["sounds"] for one in speech[of].values()) for of in ("today", "ever"))
    dropped = f"{today} dropped today, {ever} ever"
    if not speech["on"]:
        return f"kept (setting privacy.drop_speech); {ever} dropped before" if ever else None
    if speech["problem"]:
        return f"nothing is kept that the box records by itself: {safe(speech['problem'])}"
    return f"dropped from what the box records by itself: {dropped}"


def _past(kept: dict[str, Any]) -> str:
    return f"{human_duration(kept['seconds'])} ({human_size(kept['bytes'])})"


def _work(work: dict[str, Any] | None) -> str | None:
    if work is None:
        return None
    done = 100 * work["fraction"]
    return f"{work['version']} {work['precision']} is built: {work['stage']}, {done:.0f} %"


def _microphone(microphone: dict[str, Any]) -> str:
    seen = microphone.get("status") or {}
    parts = [seen.get("state") or "stopped"]
    if seen.get("state") == "running":
        parts.append(decibel(seen.get("level_dbfs")))
        if seen.get("lost_frames"):
            parts.append(f"{seen['lost_frames']} frames lost")
        if seen.get("away_s"):
            parts.append(f"was away for {human_duration(seen['away_s'])}")
    elif seen.get("detail"):
        parts.append(safe(seen["detail"]))
        if seen.get("advice"):
            parts.append(safe(seen["advice"]))
    if microphone["trigger"] is not None:
        parts.append("records by itself")
    return ", ".join(part for part in parts if part)


@command("events", short_help="Follow what happens in the box.")
@click.option("--topic", "topics", multiple=True, metavar="TOPIC", help="Only these; repeatable.")
@click.option("--count", "limit", type=click.IntRange(1), help="End after so many.")
@click.option("--seconds", type=DURATION, help="End after so long.")
@pass_state
def events(state: State, topics: tuple[str, ...], limit: int | None, seconds: float | None) -> None:
    """Follow what happens: jobs, clips, recordings, microphones, deployments, detections, labels.

    With --json each event is one line: {"topic": ..., "data": ...}. Ctrl-C ends it.
    """
    from appliance.cli.following import followed

    seen = 0
    wanted = [topic for given in topics for topic in given.split(",") if topic]
    try:
        for event in followed(state, wanted, seconds):
            if event is None:
                continue
            topic, data = event
            if state.json:
                emit_line({"topic": topic, "data": data})
            elif topic != "hearing" or "hearing" in wanted:
                say(f"{time.strftime('%H:%M:%S')}  {topic:<10}  {describe(topic, data)}")
            seen += 1
            if limit is not None and seen >= limit:
                return
    except KeyboardInterrupt:
        raise click.exceptions.Exit(130) from None


def describe(topic: str, data: dict[str, Any]) -> str:
    """An event in one line."""
    if topic == "job":
        job = data.get("job", data)
        parts = [f"job {job.get('id')}", str(job.get("state", "")), str(job.get("reason") or "")]
        progress = job.get("progress") or {}
        if progress.get("fraction") is not None and job.get("state") == "running":
            parts.append(percent(progress["fraction"]))
        return safe(" ".join(part for part in parts if part))
    if topic == "privacy":
        return safe(f"{data['what']} {data['privacy']['detail']}".strip())
    if topic == "detection":
        found = data.get("detection", data)
        return safe(
            f"{data.get('what', '')} {found.get('label')} {percent(found.get('score'))} "
            f"at {found.get('microphone')}".strip()
        )
    if topic == "microphone":
        found = data.get("microphone", data)
        found = found if isinstance(found, dict) else {"name": found}
        state_now = (found.get("status") or {}).get("state", "")
        return safe(f"{found.get('name')} {data.get('what', '')} {state_now}".strip())
    flat = {k: v for k, v in data.items() if isinstance(v, (str, int, float)) and v != ""}
    return safe(", ".join(f"{key} {value}" for key, value in flat.items()) or str(data))
