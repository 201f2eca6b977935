"""The folder that a training leaves: is it whole?

It appears by a rename, so it is complete when it is there at all; sizes and hashes catch what a
damaged disk or a cut in between would leave.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import InvalidInput
from appliance.models.card import read_json

WEIGHTS = ("model.safetensors", "model.onnx", "reference.npz")
DESCRIPTIONS = ("card.json", "evaluation.json")
FILES = WEIGHTS + DESCRIPTIONS
"""Every file of a version, in a result, in `versions/V001` and in an archive."""


@dataclass(frozen=True)
class Result:
    """A checked result folder; `stopped` is converged, time limit or cancelled."""

    path: Path
    stopped: str
    hashes: dict[str, str]


def file_sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def check_result(path: Path) -> Result:
    """Compare every file with `result.json`. Raises InvalidInput saying what is wrong."""
    raw = read_json(path / "result.json")
    stopped = raw.get("stopped")
    if stopped not in ("converged", "time limit", "cancelled"):
        raise InvalidInput(f"result.json: stopped is {stopped!r}")
    listed = raw.get("files")
    if not isinstance(listed, dict):
        raise InvalidInput("result.json lists no files")
    hashes = {}
    for name in FILES:
        facts = listed.get(name)
        file = path / name
        if not isinstance(facts, dict) or not file.is_file() or file.is_symlink():
            raise InvalidInput(f"the result lacks {name}")
        size = file.stat().st_size
        if size != facts.get("size"):
            raise InvalidInput(f"{name} has {size} bytes, the result says {facts.get('size')}")
        hashes[name] = file_sha256(file)
        if hashes[name] != facts.get("sha256"):
            raise InvalidInput(f"{name} is damaged: its hash is not the one in the result")
    return Result(path, stopped, hashes)
