"""State that survives a power cut.

A checkpoint is a folder written under a temporary name (tensors, state and a manifest with sizes
and SHA-256), fsynced, renamed, and its parent fsynced. Two are kept: one with a wrong size or
hash is passed over for the one before.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file
from safetensors.torch import save as tensors_to_bytes
from torch import Tensor

log = logging.getLogger(__name__)

KEPT = 2
TENSORS, STATE, MANIFEST = "tensors.safetensors", "state.json", "manifest.json"


@dataclass(frozen=True)
class Checkpoint:
    """`state` is plain JSON; `tensors` are on the CPU."""

    tensors: dict[str, Tensor]
    state: dict[str, Any]


def sync(path: Path) -> None:
    """Make a file's content, or a folder's entries, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def file_facts(path: Path) -> dict[str, Any]:
    """Size and SHA-256 of a file."""
    with path.open("rb") as stream:
        digest = hashlib.sha256()
        while block := stream.read(1 << 20):
            digest.update(block)
    return {"size": path.stat().st_size, "sha256": digest.hexdigest()}


def save(folder: Path, checkpoint: Checkpoint) -> Path:
    """Write the next checkpoint into `folder` and drop all but the newest two. OSError when the
    disk refuses; nothing is left of it then."""
    folder.mkdir(exist_ok=True)
    numbers = _numbers(folder)
    number = numbers[-1] + 1 if numbers else 1
    temporary = folder / f".{number:06d}.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    final = folder / f"{number:06d}"
    try:
        temporary.mkdir()
        tensors = {name: tensor.contiguous() for name, tensor in checkpoint.tensors.items()}
        (temporary / TENSORS).write_bytes(tensors_to_bytes(tensors))
        (temporary / STATE).write_text(json.dumps(checkpoint.state))
        facts = {name: file_facts(temporary / name) for name in (TENSORS, STATE)}
        (temporary / MANIFEST).write_text(json.dumps({"format": 1, "files": facts}))
        for name in (TENSORS, STATE, MANIFEST):
            sync(temporary / name)
        sync(temporary)
        temporary.rename(final)
    except OSError:
        # On a full disk what is left of it would take the room of the next one.
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    sync(folder)
    for old in numbers[: -(KEPT - 1)]:
        shutil.rmtree(folder / f"{old:06d}", ignore_errors=True)
    return final


def load_newest(folder: Path) -> Checkpoint | None:
    """The newest checkpoint that is whole, or None. A damaged one is logged and passed over."""
    for number in reversed(_numbers(folder)):
        place = folder / f"{number:06d}"
        try:
            return _load(place)
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            log.warning("checkpoint %s is damaged (%s): trying the one before", place, error)
    return None


def _load(place: Path) -> Checkpoint:
    manifest = json.loads((place / MANIFEST).read_text())
    for name in (TENSORS, STATE):
        if file_facts(place / name) != manifest["files"][name]:
            raise ValueError(f"{name} does not match its size and SHA-256")
    return Checkpoint(load_file(place / TENSORS), json.loads((place / STATE).read_text()))


def _numbers(folder: Path) -> list[int]:
    if not folder.is_dir():
        return []
    return sorted(int(entry.name) for entry in folder.iterdir() if entry.name.isdigit())
