"""Which events are worth a toast, and in which words."""

from __future__ import annotations

from typing import Any, Literal

from appliance.text import percent, safe
from tui.gate_words import ended_words

Severity = Literal["information", "warning", "error"]

_BAD_STATES = ("missing", "busy", "stalled", "silent", "stuck", "failed")


def toast_for(topic: str, data: dict[str, Any]) -> tuple[str, Severity] | None:
    """What to say of an event, or None for one that speaks for itself on the screens."""
    if topic == "detection" and data.get("what") == "new":
        found = data["detection"]
        return f"Heard {safe(found['label'])}, {percent(found['score'])}", "information"
    if topic == "job":
        return _job(data)
    if topic == "deployment":
        return f"{safe(data['version'])} listens now ({safe(data['precision'])})", "information"
    if topic == "comparison":
        return _comparison(data["comparison"])
    if topic == "microphone" and data.get("what") == "state":
        view = data["microphone"]
        status = view["status"]
        if status["state"] in _BAD_STATES:
            words = f"{safe(view['name'])} is {status['state']}: {safe(status['detail'])}"
            return f"{words}\n{safe(status['advice'])}".rstrip(), "warning"
    if topic == "notice":
        return notice_words(data), "error" if data["state"] == "failing" else "warning"
    return None


def notice_words(notice: dict[str, Any]) -> str:
    """What the box did by itself, and what to do."""
    return f"{safe(notice['says'])}\n{safe(notice['advice'])}".rstrip()


def _job(job: dict[str, Any]) -> tuple[str, Severity] | None:
    name = f"Training {job['id']}"
    if job["state"] == "completed":
        return f"{name} has ended: {safe(job['version'])} is there ({job['reason']})", "information"
    if job["state"] == "failed":
        return f"{name} failed: {safe(job['reason'])}. {safe(job['detail'])}".rstrip(), "error"
    if job["state"] == "cancelled":
        kept = f" {safe(job['version'])} is kept." if job["version"] else ""
        return f"{name} was cancelled.{kept}", "information"
    return None


def _comparison(comparison: dict[str, Any]) -> tuple[str, Severity] | None:
    """That a version listens is told by its deployment."""
    passed = comparison["state"] == "passed" and comparison["purpose"] == "deploy"
    if comparison["state"] in ("running", "cancelled") or passed:
        return None
    bad = comparison["state"] == "failed"
    return f"{ended_words(comparison)}\nF5 Versions, w: the report", "error" if bad else "warning"
