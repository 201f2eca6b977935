"""What people said about the hours that the history covers: reviews of detections, and labels of
clips that were recorded then."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from appliance.library.clips import ClipFilter, Clips
from appliance.live.detection import CONFIRMED, REFUTED
from appliance.live.detections import Detections

# An event may begin so long before or after the sound that a person spoke of.
SLACK_S = 1.5
BACKGROUND = "background"


@dataclass(frozen=True)
class Said:
    """From `at` to `until` (wall clock) on that microphone there was `label` (None: it was not
    said what), and not `refused`."""

    microphone: str
    at: float
    until: float
    label: str | None
    refused: str | None
    why: str


class Truth:
    def __init__(self, said: Iterable[Said]) -> None:
        self._said: dict[str, list[Said]] = {}
        for one in said:
            self._said.setdefault(one.microphone, []).append(one)

    def judge(self, event: Mapping[str, Any]) -> dict[str, str]:
        """`state`: confirmed, refuted or unconfirmed; `why` in words."""
        state, why = "unconfirmed", ""
        for one in self._said.get(event["microphone"], []):
            if not _meets(one, event):
                continue
            if one.label == event["label"]:
                return {"state": "confirmed", "why": one.why}
            if one.label is not None or one.refused == event["label"]:
                state, why = "refuted", one.why
        return {"state": state, "why": why}

    def confirmed_in(self, heard: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """The sounds (not background) of which a person said what they were, and that an event in
        the stretches that were heard could be: what `judge` takes for confirmed is one of them.
        What was said of one sound twice is one sound; by microphone, label and time."""
        known = {
            (one.microphone, one.label, one.at, one.until)
            for stretch in heard
            for one in self._said.get(stretch["microphone"], [])
            if one.label is not None and one.label != BACKGROUND and _meets(one, stretch)
        }
        sounds: list[dict[str, Any]] = []
        for microphone, label, at, until in sorted(known):
            last = sounds[-1] if sounds else None
            same = last and (last["microphone"], last["label"]) == (microphone, label)
            if last and same and at <= last["until"]:
                last["until"] = max(last["until"], until)
            else:
                sounds.append({"microphone": microphone, "label": label, "at": at, "until": until})
        return sounds


def _meets(one: Said, stretch: Mapping[str, Any]) -> bool:
    return bool(stretch["at"] <= one.until + SLACK_S and one.at <= stretch["until"] + SLACK_S)


def gather(
    detections: Detections, clips: Clips, since: float, until: float, microphones: Iterable[str]
) -> Truth:
    """Everything that was said about that time."""
    said: list[Said] = []
    for review in (CONFIRMED, REFUTED):
        cursor = None
        while True:
            page = detections.page(
                since=since - 60, until=until, review=review, limit=1000, cursor=cursor
            )
            for found in page.items:
                said.append(
                    Said(
                        found.microphone,
                        found.started_at,
                        found.ended_at or found.started_at,
                        found.label if review == CONFIRMED else found.review_label,
                        found.label if review == REFUTED else None,
                        f"detection {found.id} was {review}",
                    )
                )
            cursor = page.next_cursor
            if cursor is None:
                break
    for microphone in microphones:
        wanted = ClipFilter(microphone=microphone, since=since - 60, until=until)
        for clip in clips.get_many(clips.ids(wanted)):
            if clip.label is None:
                continue
            begin, end = clip.recorded_at, clip.recorded_at + clip.duration_s
            if clip.source in ("detection", "shadow"):
                # The sound lies behind the pre-roll; around it is what nobody spoke of.
                begin, end = (begin + end) / 2, (begin + end) / 2
            why = f"clip {clip.id} is labelled {clip.label}"
            said.append(Said(microphone, begin, end, clip.label, None, why))
    return Truth(said)
