"""Figures in Prometheus' text format."""

from __future__ import annotations

from collections.abc import Mapping

from appliance.api.board_metrics import Family, board_families
from appliance.api.condition import condition
from appliance.api.services import Services

_BADNESS = {"ok": 0.0, "not applicable": 0.0, "warning": 1.0, "failing": 2.0}


def metrics(services: Services) -> str:
    """All figures of the box. Counters of microphones begin anew with the daemon."""
    now = condition(services)
    microphones = now["microphones"]
    deployment = now["deployment"]
    job = now["job"]
    names = {m.id: m.name for m in microphones}
    families: list[Family] = [
        ("info", "gauge", "the release that runs", [({"version": now["version"]}, 1)]),
        ("uptime_seconds", "counter", "since the daemon started", [({}, now["uptime_s"])]),
        ("memory_bytes", "gauge", "resident memory of the daemon", [({}, now["memory_mb"] * 1e6)]),
        ("disk_free_bytes", "gauge", "room for clips", [({}, now["disk"]["free"])]),
        ("disk_total_bytes", "gauge", "size of the disk", [({}, now["disk"]["total"])]),
        ("clips", "gauge", "clips in the library", [({}, now["clips"])]),
        (
            "label_clips",
            "gauge",
            "clips of each label",
            [({"label": row.name}, row.clips) for row in services.house.labels.all()],
        ),
        (
            "microphone_running",
            "gauge",
            "1 while sound comes from it",
            [(_named(m), float(m.status.state == "running")) for m in microphones if m.status],
        ),
        (
            "paused",
            "gauge",
            "1 while every microphone is closed because a person said so",
            [({}, float(now["privacy"].paused))],
        ),
        (
            "speech_filter_on",
            "gauge",
            "1 while speech is dropped from what the box keeps by itself",
            [({}, float(now["speech"].on))],
        ),
        (
            "speech_dropped_total",
            "counter",
            "clips, and minutes of the history, that were dropped for speech",
            [({"source": name}, one.sounds) for name, one in now["speech"].ever.items()],
        ),
        (
            "microphone_frames_total",
            "counter",
            "frames captured",
            [(_named(m), m.status.frames) for m in microphones if m.status],
        ),
        (
            "microphone_lost_frames_total",
            "counter",
            "frames that the device or the system lost",
            [(_named(m), m.status.lost_frames) for m in microphones if m.status],
        ),
        (
            "microphone_away_seconds_total",
            "counter",
            "seconds that it was unplugged, stalled or opened anew",
            [(_named(m), round(m.status.away_s, 1)) for m in microphones if m.status],
        ),
        (
            "microphone_restarts_total",
            "counter",
            "times that its capture was started again",
            [(_named(m), m.status.restarts) for m in microphones if m.status],
        ),
        *board_families(services),
        (
            "health",
            "gauge",
            "of each check: 0 is ok or does not apply, 1 a warning, 2 failing",
            [
                ({"check": check.name}, _BADNESS[check.state])
                for check in services.health.report().checks
            ],
        ),
        ("queue_length", "gauge", "jobs that wait", [({}, now["queue_length"])]),
        (
            "training_running",
            "gauge",
            "1 while a job holds the slot",
            [({}, float(job is not None))],
        ),
        (
            "deployment",
            "gauge",
            "the version that listens",
            [] if deployment is None else [({"version": deployment.version}, 1)],
        ),
        (
            "windows_missed_total",
            "counter",
            "windows that could not be listened to",
            [
                ({"microphone": names.get(identifier, identifier)}, heard["missed"])
                for identifier, heard in services.house.listener.hearing().items()
            ],
        ),
    ]
    lines = []
    for name, kind, text, samples in families:
        lines += [f"# HELP earmark_{name} {text}", f"# TYPE earmark_{name} {kind}"]
        lines += [f"earmark_{name}{_labels(labels)} {float(value)!r}" for labels, value in samples]
    return "\n".join(lines) + "\n"


def _named(microphone: object) -> dict[str, str]:
    return {"microphone": str(getattr(microphone, "name", ""))}


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_escaped(text)}"' for name, text in labels.items()) + "}"


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
