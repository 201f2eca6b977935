"""What a clip is worth: which goes first when room is needed, and why.

Never what a dataset version or a person's keep mark holds. Then, first to go: sounds without a
label in which nothing was detected, then those detected with certainty, with doubt, and last what
a person labelled. Within each, common labels go before rare ones, and the oldest first, by id: the
clock of a box may be wrong.

The database works it out, in one pass; of each clip only one number is kept, 8 bytes, whose order
is that of the clips.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterator
from functools import lru_cache

import numpy as np

from appliance.store.database import Database

CERTAIN = 0.9
PLAIN, DETECTED, UNCERTAIN, LABELLED = range(4)
WHY_LABELLED = "labelled by a person"
WHY = (
    "no label, and nothing was detected in it",
    "no label, and detected with certainty",
    "no label, and detected with doubt",
    WHY_LABELLED,
)

FREE = "c.protected = 0 AND NOT EXISTS (SELECT 1 FROM dataset_clips d WHERE d.clip_id = c.id)"
"""What nothing holds, of the table clips AS c."""

_READ = 2000
_ID_BITS, _RARITY_BITS = 48, 8
_EXTRA = "CASE WHEN json_valid(c.extra) THEN c.extra ELSE '{}' END"
# `extra` of a detection's clip says what was detected, and how surely.
_JUDGED = f"""
    SELECT id,
        CASE WHEN label_id IS NOT NULL THEN {LABELLED} WHEN score IS NULL THEN {PLAIN}
            WHEN score >= {CERTAIN} THEN {DETECTED} ELSE {UNCERTAIN} END AS tier,
        CASE WHEN label_id IS NOT NULL THEN (SELECT clips FROM labels WHERE id = label_id)
            ELSE (SELECT clips FROM labels WHERE name = suggested) END AS rivals
    FROM (
        SELECT c.id, c.label_id, json_extract({_EXTRA}, '$.suggested') AS suggested,
            CASE WHEN json_type({_EXTRA}, '$.score') IN ('integer', 'real')
                THEN json_extract({_EXTRA}, '$.score') END AS score
        FROM clips c WHERE c.id > ? AND {FREE}"""
_IN_ORDER = " ORDER BY c.id LIMIT ?) ORDER BY id"


def ranked(db: Database, without: str = "", values: tuple[object, ...] = ()) -> array[int]:
    """Of every clip that nothing holds, a number: the least worth first. `without` (SQL, with its
    `values`) leaves some out."""
    keys = array("q")
    last = 0
    condition = f" AND NOT ({without})" if without else ""
    while rows := db.rows(_JUDGED + condition + _IN_ORDER, (last, *values, _READ)):
        keys.extend(_key(row["tier"], row["rivals"] or 0, row["id"]) for row in rows)
        last = rows[-1]["id"]
    np.frombuffer(keys, np.int64).sort()
    return keys


def clips_of(keys: array[int], many: int) -> Iterator[dict[int, str]]:
    """Why each goes, by the ids of the clips, in order; `many` at a time."""
    for start in range(0, len(keys), many):
        yield {
            key & ((1 << _ID_BITS) - 1): WHY[key >> (_ID_BITS + _RARITY_BITS)]
            for key in keys[start : start + many]
        }


def _key(tier: int, rivals: int, identifier: int) -> int:
    rarity = 0 if tier == PLAIN else (1 << _RARITY_BITS) - 1 - _octave(rivals)
    return (tier << _RARITY_BITS | rarity) << _ID_BITS | identifier


@lru_cache(maxsize=1024)
def _octave(clips: int) -> int:
    """Of its label's number of clips, so that labels of about one size go by age."""
    return round(math.log2(clips + 1))
