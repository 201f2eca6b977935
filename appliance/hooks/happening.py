"""From the daemon's many events to the few that a hook is run for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from appliance.audio.capture_state import AWAY, STREAMING
from appliance.events import Event
from appliance.jobs.job import ENDED

KINDS = (
    "detection",
    "job-ended",
    "deployed",
    "disk-low",
    "microphone-lost",
    "microphone-back",
    "notice",
    "paused",
    "resumed",
)
"""What a hook can be run for; also the names of the folders that hold the hooks of one kind."""


@dataclass(frozen=True)
class Happening:
    """One thing that a hook is told: `data` is what the API calls the thing."""

    kind: str
    at: float
    data: dict[str, Any]

    def told(self) -> dict[str, Any]:
        """The JSON on a hook's standard input."""
        return {"event": self.kind, "at": self.at, **self.data}


class Translator:
    """Feed it every event, in order; it remembers what it has told already."""

    def __init__(self) -> None:
        self._lost: set[str] = set()
        self._ended: set[int] = set()
        self._disk_low = False

    def push(self, event: Event) -> Happening | None:
        """What this event means to a hook, None when nothing."""
        translate = getattr(self, f"_{event.topic}", None)
        told = translate(event.data) if translate is not None else None
        return None if told is None else Happening(told[0], event.at, told[1])

    def _detection(self, data: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        if data["what"] != "new":
            return None
        return "detection", {"detection": data["detection"]}

    def _job(self, job: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        if job["state"] not in ENDED or job["id"] in self._ended:
            return None
        self._ended.add(job["id"])
        return "job-ended", {"job": job}

    def _deployment(self, deployment: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        # After a start that could not load it, the same deployment is told with its problem.
        if deployment["state"] != "live" or deployment["problem"]:
            return None
        return "deployed", {"deployment": deployment}

    def _space(self, space: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        # Told once: neither when it gets worse nor when it gets a little better.
        was_low, self._disk_low = self._disk_low, space["level"] != "ok"
        return ("disk-low", {"disk": space}) if self._disk_low and not was_low else None

    def _privacy(self, data: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        return ("paused" if data["privacy"]["paused"] else "resumed"), {"privacy": data["privacy"]}

    def _notice(self, notice: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        return "notice", {"notice": notice}

    def _microphone(self, data: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
        microphone = data["microphone"]
        identifier, state = microphone["id"], microphone["status"]["state"]
        if data["what"] == "removed":
            self._lost.discard(identifier)
        elif state in AWAY and identifier not in self._lost:
            self._lost.add(identifier)
            return "microphone-lost", {"microphone": microphone}
        elif state in STREAMING and identifier in self._lost:
            self._lost.discard(identifier)
            return "microphone-back", {"microphone": microphone}
        return None


def example(kind: str) -> Happening:
    """What `earmark hooks test` tells a hook: invented, and marked as a test."""
    microphone = {"id": "usb:1-2", "name": "yard", "status": {"state": "missing"}}
    data: dict[str, dict[str, Any]] = {
        "detection": {
            "detection": {
                "id": 1, "microphone": "usb:1-2", "label": "smoke alarm", "score": 0.97,
                "version": "V001", "started_at": time.time(), "clip": None,
            }
        },
        "job-ended": {
            "job": {"id": 1, "state": "completed", "reason": "converged", "version": "V001"}
        },
        "deployed": {"deployment": {"version": "V001", "precision": "fp32", "state": "live"}},
        "disk-low": {
            "disk": {
                "level": "low", "free": 900_000_000, "total": 64_000_000_000,
                "limit": 1_000_000_000, "shed": ["history"],
            }
        },
        "microphone-lost": {"microphone": microphone},
        "microphone-back": {"microphone": {**microphone, "status": {"state": "running"}}},
        "notice": {
            "notice": {
                "id": 1, "topic": "database", "state": "failing",
                "says": "The database was lost.", "advice": "earmark doctor",
            }
        },
        "paused": {"privacy": {"paused": True, "detail": "not listening: privacy"}},
        "resumed": {"privacy": {"paused": False, "detail": ""}},
    }  # fmt: skip
    return Happening(kind, time.time(), {"test": True, **data[kind]})
