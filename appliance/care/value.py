"""What a clip is worth: which goes first when room is needed, and why.

Never what a dataset version or a person's keep mark holds. Then, first to go: sounds without a
label in which nothing was detected, then those detected with certainty, with doubt, and last what
a person labelled. Within each, common labels go before rare ones, and the oldest first, by id: the
clock of a box may be wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

CERTAIN = 0.9
PLAIN, DETECTED, UNCERTAIN, LABELLED = range(4)
WHY_LABELLED = "labelled by a person"
_WHY = (
    "no label, and nothing was detected in it",
    "no label, and detected with certainty",
    "no label, and detected with doubt",
    WHY_LABELLED,
)


@dataclass(frozen=True, order=True)
class Worth:
    """Sorts by value, the least first. rarity: minus the octave of its label's number of clips,
    so that labels of about one size go by age."""

    tier: int
    rarity: int
    id: int

    @property
    def why(self) -> str:
        return _WHY[self.tier]


def worth(row: Mapping[str, Any], counts: Mapping[str, int]) -> Worth:
    """row: id, label and extra (JSON) of a clip; counts: clips of each label."""
    if row["label"] is not None:
        return Worth(LABELLED, _rarity(counts.get(row["label"], 0)), row["id"])
    extra = _facts(row["extra"])
    score, label = extra.get("score"), str(extra.get("suggested", ""))
    if not isinstance(score, (int, float)):
        return Worth(PLAIN, 0, row["id"])
    tier = DETECTED if score >= CERTAIN else UNCERTAIN
    return Worth(tier, _rarity(counts.get(label, 0)), row["id"])


def _rarity(clips: int) -> int:
    return -round(math.log2(clips + 1))


def _facts(text: str) -> dict[str, Any]:
    try:
        facts = json.loads(text)
    except ValueError:
        return {}
    return facts if isinstance(facts, dict) else {}
