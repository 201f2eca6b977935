"""What a comparison of two versions says, in words and figures, for every client that shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from appliance.text import percent
from appliance.units import human_duration

_NONE: Mapping[str, Any] = {"recall": None, "clips": 0, "events": 0, "right": 0}


def figures(report: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """(what, live, candidate) for each figure of a report of `GET /comparisons/{id}` that
    compared anything."""
    live, candidate = report["live"], report["candidate"]
    heard = human_duration(report["heard_s"])
    rows: list[tuple[str, Any, Any]] = [
        # Reports of earlier releases do not say.
        ("precision", live.get("precision", "fp32"), candidate.get("precision", "fp32")),
        ("recall, clips that neither knew", share(live["honest"]), share(candidate["honest"])),
        ("recall, clips it was trained on", share(live["trained"]), share(candidate["trained"])),
        (f"events in {heard} of history", live["events"], candidate["events"]),
        ("confirmed by a person", live["confirmed"], candidate["confirmed"]),
        ("refuted", live["refuted"], candidate["refuted"]),
        ("unconfirmed", live["unconfirmed"], candidate["unconfirmed"]),
        ("false alarms an hour, at most", _rate(live), _rate(candidate)),
        ("of the confirmed sounds heard", _confirmed(live), _confirmed(candidate)),
    ]
    return [(what, str(before), str(after)) for what, before, after in rows]


def by_label(
    report: Mapping[str, Any],
) -> list[tuple[str, Mapping[str, Any], Mapping[str, Any]]]:
    """(label, live, candidate), each with `right` of `clips`, `recall` and `events`."""
    before = {row["label"]: row for row in report["live"]["labels"]}
    after = {row["label"]: row for row in report["candidate"]["labels"]}
    labels = sorted({*before, *after})
    return [(label, before.get(label, _NONE), after.get(label, _NONE)) for label in labels]


def stretch(event: Mapping[str, Any]) -> tuple[float, float]:
    """(start, end) in seconds of the minute of an event's history, with a little around it."""
    start = max(0.0, event["offset_s"] - 1)
    return round(start, 1), round(event["offset_s"] + event["seconds"] + 2, 1)


def share(counted: Mapping[str, Any]) -> str:
    """`50.0 % (4 of 8)`; `-` where nothing was counted."""
    if counted["recall"] is None:
        return "-"
    return f"{percent(counted['recall'])} ({counted['right']} of {counted['clips']})"


def _rate(side: Mapping[str, Any]) -> str:
    rate = side["false_alarms_per_hour"]
    return "-" if rate is None else f"{rate:.1f}"


def _confirmed(side: Mapping[str, Any]) -> str:
    return f"{side['confirmed_heard']} of {side['confirmed_sounds']}"
