"""Engines for versions that do not listen: the one place where the gate chooses a runtime."""

from __future__ import annotations

from pathlib import Path

from appliance.models.card import read_card
from appliance.models.engine import Engine, open_engine
from appliance.models.onnx_engine import OnnxEngine


def hearing_engine(folder: Path, sha256: str) -> Engine:
    """The version in `folder` as it was trained, on the processor: what a comparison hears with.

    Raises EngineError when the file was altered or cannot be run.
    """
    return OnnxEngine(folder / "model.onnx", read_card(folder / "card.json"), sha256=sha256)


def shadow_engine(folder: Path, precision: str, sha256: str) -> Engine:
    """As a deployment would run it. Raises InvalidInput, EngineError."""
    return open_engine(folder, precision, sha256)
