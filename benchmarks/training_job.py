"""A training through the product's own job folder and worker, for the benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import soundfile

REPOSITORY = Path(__file__).resolve().parent.parent


def data_folder() -> Path:
    """The real recordings: EARMARK_TEST_DATA, or ../shared/data beside the repository."""
    folder = Path(os.environ.get("EARMARK_TEST_DATA") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        sys.exit(f"no recordings in {folder}: set EARMARK_TEST_DATA")
    return folder


@dataclass(frozen=True)
class Recording:
    path: Path
    label: str
    session: int
    group: int  # what is held out at once: a fold, a speaker


def as_flac(source: Path, folder: Path) -> Path:
    """The recording as the library keeps it: mono 16-bit FLAC at its native rate."""
    target = folder / f"{source.stem}.flac"
    samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
    soundfile.write(target, samples.mean(axis=1).clip(-1, 1), rate, subtype="PCM_16")
    return target


def train_holdout(
    folder: Path,
    recordings: Sequence[Recording],
    held_group: int,
    *,
    seconds: float,
    threads: int,
    seed: int,
    steps: int | None = None,
) -> dict[str, Any]:
    """Train on all other groups for `seconds` (child start to written result), judge the group.
    `steps` trains by number instead, which a busy machine cannot change.

    Returns accuracy, right, clips, epochs, windows_per_second, steps, active_s.
    """
    folder.mkdir(parents=True)
    clips = []
    for number, item in enumerate(recordings):
        info = soundfile.info(item.path)
        clips.append(
            {
                "id": number,
                "path": str(item.path),
                "label": item.label,
                "session": item.session,
                "microphone": None,
                "duration_s": info.frames / info.samplerate,
                "fold": int(item.group == held_group),
            }
        )
    manifest = {
        "format": 1,
        "job": held_group,
        "seed": seed,
        "threads": threads,
        "budget_s": seconds,
        "used_s": 0.0,
        "sample_rate": 16000,
        "classes": sorted({item.label for item in recordings}),
        "protocol": "holdout",
        "clips": clips,
        "initial_weights": None,
        "steps": steps,
    }
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with (folder / "worker.log").open("w") as log:
        command = [sys.executable, "-m", "appliance.training.worker", str(folder)]
        status = subprocess.run(command, stdout=log, stderr=log, cwd=REPOSITORY, check=False)
    if status.returncode != 0:
        sys.exit((folder / "worker.log").read_text())
    found = json.loads((folder / "result" / "evaluation.json").read_text())
    card = json.loads((folder / "result" / "card.json").read_text())
    first, last = found["curves"][0], found["curves"][-1]
    trained = last["elapsed_s"] - first["elapsed_s"]
    batch = card["train"]["batch"]
    return {
        "accuracy": found["accuracy"],
        "right": sum(row["label"] == row["predicted"] for row in found["predictions"]),
        "clips": found["clips"],
        "steps": last["step"],
        "epochs": last["step"] * batch / card["train"]["clips"],
        "windows_per_second": (last["step"] - first["step"]) * batch / max(trained, 1e-9),
        "active_s": card["train"]["active_s"],
        "parameters": card["parameters"],
        "stopped": json.loads((folder / "result" / "result.json").read_text())["stopped"],
    }
