"""A detection: a sound that the deployment reported, and what a person said about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CONFIRMED, REFUTED = "confirmed", "refuted"
SPEECH = "speech"


@dataclass(frozen=True)
class NewDetection:
    """What is known when a sound is decided. Moments are CLOCK_BOOTTIME.

    onset_ns: when the sound began, as far as its loudness tells; decided_ns: when the last sample
    of the window that decided was captured.
    """

    microphone: str
    label: str
    score: float
    version: str
    deployment: int
    onset_ns: int
    decided_ns: int


@dataclass(frozen=True)
class Detection:
    """One row. `score` is the one that decided, `peak` the highest until the end.

    started_at and ended_at are epoch seconds of the wall clock; ended_at is None while it sounds.
    monotonic_ns is the onset within boot `boot_id`. delay_ms: from the last sample of the window
    that decided to the event, onset_delay_ms: from the sound's onset to the event. review_label is
    what a person said that it was; no_clip is "speech" when its clip was dropped for that.
    """

    id: int
    microphone: str
    label: str
    score: float
    peak: float
    version: str
    deployment: int
    started_at: float
    ended_at: float | None
    boot_id: str
    monotonic_ns: int
    clock_synced: bool
    delay_ms: float
    onset_delay_ms: float
    clip: int | None
    review: str | None
    review_label: str | None
    reviewed_by: str | None
    reviewed_at: float | None
    no_clip: str | None


@dataclass(frozen=True)
class DetectionPage:
    """`next_cursor` is None at the end of the list."""

    items: list[Detection]
    next_cursor: str | None


def from_row(row: Mapping[str, Any]) -> Detection:
    """A row of the table `detections`."""
    return Detection(
        id=row["id"],
        microphone=row["microphone"],
        label=row["label"],
        score=row["score"],
        peak=row["peak"],
        version=row["version"],
        deployment=row["deployment_id"],
        started_at=row["started_at"],
        ended_at=row["ended_at"],
        boot_id=row["boot_id"],
        monotonic_ns=row["monotonic_ns"],
        clock_synced=bool(row["clock_synced"]),
        delay_ms=row["delay_ms"],
        onset_delay_ms=row["onset_delay_ms"],
        clip=row["clip_id"],
        review=row["review"],
        review_label=row["review_label"],
        reviewed_by=row["reviewed_by"],
        reviewed_at=row["reviewed_at"],
        no_clip=row["no_clip"],
    )
