"""What a version says about itself: `card.json` and `evaluation.json`, read with suspicion.

Both may come from an archive that somebody else made, so every field that the daemon relies on
is checked before it is used.
"""

from __future__ import annotations

import json
import math
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance.errors import InvalidInput

FORMAT = 1
MOST_CLASSES = 1000
LONGEST_WINDOW_S = 60.0
LOWEST_RATE, HIGHEST_RATE = 4_000, 192_000
LARGEST_JSON = 64 * 1024 * 1024
_ADVICE = "train or export the version again"


@dataclass(frozen=True)
class Card:
    """`classes` in the order of the network's outputs; window and hop in samples at
    `sample_rate` Hz; `raw` is the whole card with all training parameters."""

    classes: tuple[str, ...]
    sample_rate: int
    window_samples: int
    hop_samples: int
    parameters: int
    raw: dict[str, Any]

    @property
    def window_s(self) -> float:
        return self.window_samples / self.sample_rate

    @property
    def hop_s(self) -> float:
        return self.hop_samples / self.sample_rate


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file; raises InvalidInput when it is missing, too large or none."""
    try:
        if path.stat().st_size > LARGEST_JSON:
            raise InvalidInput(f"{path.name} is larger than {LARGEST_JSON} bytes", _ADVICE)
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidInput(f"{path.name} is missing", _ADVICE) from None
    except (ValueError, RecursionError) as error:
        if isinstance(error, InvalidInput):
            raise
        raise InvalidInput(f"{path.name} is not readable JSON: {error}", _ADVICE) from None
    if not isinstance(content, dict):
        raise InvalidInput(f"{path.name} holds no JSON object", _ADVICE)
    return content


def read_card(path: Path) -> Card:
    """Read and check a card. Raises InvalidInput naming the field that is wrong."""
    raw = read_json(path)
    if raw.get("format") != FORMAT:
        raise InvalidInput(
            f"{path.name} has format {raw.get('format')!r}, this Earmark reads {FORMAT}",
            "upgrade this box, or export from one of the same release",
        )
    rate = _whole(raw, "sample_rate", LOWEST_RATE, HIGHEST_RATE)
    window = _whole(raw, "window_samples", 1, int(LONGEST_WINDOW_S * rate))
    return Card(
        classes=_classes(raw.get("classes")),
        sample_rate=rate,
        window_samples=window,
        hop_samples=_whole(raw, "hop_samples", 1, window),
        parameters=_whole(raw, "parameters", 0, 2**40),
        raw=raw,
    )


def read_evaluation(path: Path) -> dict[str, Any]:
    """Read an evaluation; what pictures and tables rely on is checked.

    Raises InvalidInput when figures are no numbers or the confusion matrix is not square.
    """
    raw = read_json(path)
    for name in ("accuracy", "balanced_accuracy"):
        _share(raw.get(name), name)
    macro = raw.get("macro")
    if not isinstance(macro, dict):
        raise InvalidInput("evaluation.json has no macro averages", _ADVICE)
    for name in ("precision", "recall", "f1"):
        _share(macro.get(name), f"macro {name}")
    confusion = raw.get("confusion")
    labels = confusion.get("labels") if isinstance(confusion, dict) else None
    counts = confusion.get("counts") if isinstance(confusion, dict) else None
    if (
        not isinstance(labels, list)
        or not isinstance(counts, list)
        or len(counts) != len(labels)
        or not all(isinstance(label, str) for label in labels)
        or not all(_is_row(row, len(labels)) for row in counts)
    ):
        raise InvalidInput("evaluation.json has no square confusion matrix of counts", _ADVICE)
    for name in ("classes", "predictions", "curves"):
        rows = raw.get(name, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise InvalidInput(f"evaluation.json: {name} is not a list of objects", _ADVICE)
    return raw


def on_training_clips(evaluation: Mapping[str, Any]) -> bool:
    """Whether its figures rest on clips that the network was trained on: the training ended
    before any could be held out."""
    told = evaluation.get("on_training_clips")
    if told is not None:
        return bool(told)
    # Written before that was noted: a class of several recordings has no other reason.
    classes = evaluation.get("classes") or []
    return any(row.get("optimistic") and (row.get("sessions") or 0) > 1 for row in classes)


def why_optimistic(evaluation: Mapping[str, Any]) -> str:
    """Why the figures promise more than the box will keep; empty when they do not."""
    if on_training_clips(evaluation):
        return "judged on the clips that it was trained on"
    classes = evaluation.get("classes") or []
    single = [str(row.get("label")) for row in classes if row.get("optimistic")]
    if single:
        return f"one recording only of {', '.join(single)}"
    return "by its own word" if evaluation.get("optimistic") else ""


def _is_row(row: object, length: int) -> bool:
    return (
        isinstance(row, list)
        and len(row) == length
        and all(isinstance(n, int) and not isinstance(n, bool) and n >= 0 for n in row)
    )


def _share(value: object, name: str) -> None:
    """A share between 0 and 1, or None where nothing could be judged."""
    if value is None:
        return
    good = isinstance(value, (int, float)) and math.isfinite(value) and -1e-9 <= value <= 1 + 1e-9
    if not good:
        raise InvalidInput(f"evaluation.json: {name} is {value!r}, not a share", _ADVICE)


def _whole(raw: dict[str, Any], name: str, low: int, high: int) -> int:
    value = raw.get(name)
    if not isinstance(value, int) or isinstance(value, bool) or not low <= value <= high:
        raise InvalidInput(
            f"card.json: {name} is {value!r}, not a whole number from {low} to {high}", _ADVICE
        )
    return value


def _classes(value: object) -> tuple[str, ...]:
    if not isinstance(value, list) or not 2 <= len(value) <= MOST_CLASSES:
        raise InvalidInput(f"card.json: classes is no list of 2 to {MOST_CLASSES} names", _ADVICE)
    for name in value:
        if (
            not isinstance(name, str)
            or not 1 <= len(name) <= 64
            or "/" in name
            or any(unicodedata.category(letter) in ("Cc", "Cs", "Zl", "Zp") for letter in name)
        ):
            raise InvalidInput(f"card.json: {str(name)[:80]!r} is no name for a class", _ADVICE)
    if len(set(value)) != len(value):
        raise InvalidInput("card.json: a class appears twice", _ADVICE)
    return tuple(value)
