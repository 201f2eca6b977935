"""The files of a version, complete or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.torch import save_file

from appliance.training.checkpoint import file_facts, sync
from appliance.training.network import Backbone

NAMES = ("model.safetensors", "model.onnx", "card.json", "evaluation.json", "reference.npz")


def save_weights(backbone: Backbone, classes: Sequence[str], path: Path) -> None:
    """The averaged weights before folding, with the classes: what `--from` continues from."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in backbone.state_dict().items()}
    save_file(tensors, path, metadata={"format": "pt", "classes": json.dumps(list(classes))})


def save_reference(
    windows: NDArray[np.float32],
    probabilities: NDArray[np.float32],
    labels: NDArray[np.int64],
    calibration: NDArray[np.float32],
    path: Path,
) -> None:
    """What every engine is compared with: windows [k, window], probabilities [k, classes] and
    labels [k] (class index); and what int8 is calibrated with: windows of training clips."""
    steps = np.round(calibration * 32768).clip(-32768, 32767).astype(np.int16)
    np.savez(path, windows=windows, probabilities=probabilities, labels=labels, calibration=steps)


def save_json(content: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False), encoding="utf-8")


def begin(folder: Path) -> Path:
    """An empty folder to write into."""
    temporary = folder / ".result.tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir()
    return temporary


def publish(temporary: Path, folder: Path, stopped: str, **facts: Any) -> None:
    """Write result.json with sizes and hashes, make all durable, and rename to `result/`."""
    files = {name: file_facts(temporary / name) for name in NAMES}
    save_json({"stopped": stopped, "files": files, **facts}, temporary / "result.json")
    for name in (*NAMES, "result.json"):
        sync(temporary / name)
    sync(temporary)
    temporary.rename(folder / "result")
    sync(folder)
