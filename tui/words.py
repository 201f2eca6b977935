"""Sentences about what the box does, which several screens say."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from appliance.text import percent, safe
from appliance.units import human_duration


def sentence(text: str) -> str:
    """Errors begin small, to stand behind a colon; here they stand alone."""
    text = safe(text).strip()
    end = "" if text.endswith((".", "?", "!")) else "."
    return f"{text[:1].upper()}{text[1:]}{end}" if text else ""


def deployment_words(deployment: Mapping[str, Any] | None) -> str:
    """What listens."""
    if deployment is None:
        return "Nothing is deployed: deploy a version on F5 Versions."
    if deployment.get("problem"):
        return f"! {safe(deployment['version'])} does not run: {safe(deployment['problem'])}"
    since = time.strftime("%Y-%m-%d %H:%M", time.localtime(deployment["created_at"]))
    return (
        f"{safe(deployment['version'])} listens since {since} "
        f"({safe(deployment['precision'])}, {safe(deployment['engine'])})"
    )


def job_words(job: Mapping[str, Any] | None) -> str:
    """The training that runs, or nothing."""
    if job is None:
        return ""
    progress = job["progress"] or {}
    parts = [f"Training {job['id']} {job['state']}"]
    if progress:
        parts.append(f"{100 * progress['fraction']:.0f} %")
        if progress.get("eta_s"):
            parts.append(f"{human_duration(progress['eta_s'])} left")
        if progress.get("accuracy") is not None:
            parts.append(f"accuracy {percent(progress['accuracy'])}")
    return " · ".join(parts)


def speech_words(speech: Mapping[str, Any] | None) -> str:
    """What the speech filter does, or nothing while it is off."""
    if not speech or not speech["on"]:
        return ""
    if speech["problem"]:
        return f"! nothing is kept by itself: {safe(speech['problem'])}"
    today = sum(one["sounds"] for one in speech["today"].values())
    return f"dropped from what the box keeps by itself; {today} today"


def privacy_words(privacy: Mapping[str, Any] | None) -> str:
    """That the microphones are closed, or nothing."""
    if not privacy or not privacy["paused"]:
        return ""
    return f"‖ {safe(privacy['detail'])}: p on F6 Device resumes."
