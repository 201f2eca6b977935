"""What a comparison hears: which labelled clips, and which pieces of the history in which order.

There may be more than there is time for, so that what comes first must already be a fair sample:
clips that no version has seen first and labels in turn, pieces spread over the hours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from appliance.errors import EarmarkError
from appliance.gate.trained_on import TrainedOn
from appliance.library.clip import Clip
from appliance.library.clips import ClipFilter, Clips
from appliance.live.decision import Rules
from appliance.models.versions import Versions
from appliance.recording.minutes import Minute, unbroken

MOST_CLIPS = 2_000
PIECE_MINUTES = 10


@dataclass(frozen=True)
class Question:
    """A labelled clip, and how each version's answer to it is found: "unseen" (it is asked),
    "held out" (cross-validation asked a network that had not seen it), or "trained" (it is asked,
    and has seen it). `held_out`: what that network said, by version."""

    clip: Clip
    how: dict[str, str]
    held_out: dict[str, str]

    @property
    def honest(self) -> bool:
        """Whether no version can know the answer by heart."""
        return all(how != "trained" for how in self.how.values())


def questions(clips: Clips, labels: Sequence[str], seen: Mapping[str, TrainedOn]) -> list[Question]:
    """At most `MOST_CLIPS`, of all labels about the same number, honest and new ones first."""
    by_label: list[list[Question]] = []
    for label in labels:
        found = []
        try:
            ids = clips.ids(ClipFilter(label=label))[: 4 * MOST_CLIPS]
        except EarmarkError:
            continue  # the label was deleted since
        for clip in clips.get_many(ids):
            how = {name: _how(clip, trained) for name, trained in seen.items()}
            held_out = {
                name: trained.held_out[clip.id]
                for name, trained in seen.items()
                if clip.id in trained.held_out
            }
            found.append(Question(clip, how, held_out))
        found.sort(key=lambda question: not question.honest)  # stable: the newest stay first
        by_label.append(found)
    chosen: list[Question] = []
    for turn in range(MOST_CLIPS):
        left = [found[turn] for found in by_label if turn < len(found)]
        if not left or len(chosen) >= MOST_CLIPS:
            break
        chosen += left
    chosen.sort(key=lambda question: not question.honest)
    return chosen[:MOST_CLIPS]


def _how(clip: Clip, trained: TrainedOn) -> str:
    if clip.id in trained.held_out:
        return "held out"
    return "trained" if trained.has_seen(clip) else "unseen"


def manifest(
    versions: Versions,
    sides: Mapping[str, tuple[str, str]],
    asked: Iterable[Question],
    history: Mapping[str, Sequence[Minute]],
    rules: Rules,
    thresholds: Callable[[str], float],
    limit_s: float,
    clips: Clips,
) -> dict[str, Any]:
    """What `child.py` reads; plain JSON. `sides`: name in the report -> version, precision."""
    return {
        "limit_s": limit_s,
        "rules": asdict(rules),
        "versions": [
            {
                "name": name,
                "folder": str(versions.path(version)),
                "sha256": versions.onnx_sha256(version),
                "precision": precision,
                "thresholds": {label: thresholds(label) for label in versions.get(version).classes},
            }
            for name, (version, precision) in sides.items()
        ],
        "clips": [
            {
                "id": question.clip.id,
                "path": str(clips.path(question.clip)),
                "versions": [name for name in sides if question.how[name] != "held out"],
            }
            for question in asked
            if any(how != "held out" for how in question.how.values())
        ],
        "pieces": pieces(history),
    }


def pieces(history: Mapping[str, Sequence[Minute]]) -> list[dict[str, Any]]:
    """Unbroken stretches of at most `PIECE_MINUTES`, in an order whose beginning is spread."""
    cut: list[list[Minute]] = []
    for minutes in history.values():
        for run in unbroken(minutes):
            cut += [run[i : i + PIECE_MINUTES] for i in range(0, len(run), PIECE_MINUTES)]
    cut.sort(key=lambda piece: piece[0].at)
    return [
        {
            "microphone": piece[0].microphone,
            "minutes": [
                {
                    "path": str(minute.path),
                    "number": minute.number,
                    "seconds": minute.seconds,
                    "at": minute.at,
                    "speed": minute.speed,
                }
                for minute in piece
            ],
        }
        for piece in (cut[place] for place in spread(len(cut)))
    ]


def spread(count: int) -> list[int]:
    """0..count-1 so that every beginning of the list is spread evenly: the newest, then the place
    farthest from all before it, as the bits of a counter read backwards give it."""
    bits = max(1, (count - 1).bit_length())
    reversed_bits = (int(f"{place:0{bits}b}"[::-1], 2) for place in range(1 << bits))
    return [count - 1 - place for place in reversed_bits if place < count]
