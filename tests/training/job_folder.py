"""Job folders as jobs/bundle.py writes them, from real recordings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import soundfile

Clip = dict[str, Any]

RESULT_FILES = {
    "card.json",
    "evaluation.json",
    "model.onnx",
    "model.safetensors",
    "reference.npz",
    "result.json",
}


def as_flac(source: Path, folder: Path) -> Path:
    """The recording as the library keeps it: mono 16-bit FLAC at its native rate."""
    target = folder / f"{source.stem}.flac"
    if not target.exists():
        samples, rate = soundfile.read(source, dtype="float32", always_2d=True)
        soundfile.write(target, samples.mean(axis=1).clip(-1, 1), rate, subtype="PCM_16")
    return target


def entry(path: Path, label: str, session: int, fold: int) -> Clip:
    info = soundfile.info(path)
    return {
        "path": str(path),
        "label": label,
        "session": session,
        "microphone": None,
        "duration_s": info.frames / info.samplerate,
        "fold": fold,
    }


def write_job(folder: Path, clips: Sequence[Clip], **changes: Any) -> Path:
    """A job folder whose manifest has these clips; ids follow their order."""
    folder.mkdir(parents=True)
    manifest = {
        "format": 1,
        "job": 1,
        "seed": 0,
        "threads": 1,
        "budget_s": 600.0,
        "used_s": 0.0,
        "sample_rate": 16000,
        "classes": sorted({clip["label"] for clip in clips}),
        "protocol": "cross-validation",
        "clips": [{**clip, "id": 100 + place} for place, clip in enumerate(clips)],
        "initial_weights": None,
        "steps": None,
    }
    (folder / "manifest.json").write_text(json.dumps({**manifest, **changes}))
    return folder


def start_worker(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """The training child, as the runner starts it: output into worker.log."""
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "appliance.training.worker", str(folder), *options],
            stdout=log,
            stderr=subprocess.STDOUT,
            # A thread that waits for another's leaves the core to other tests, and does not spin.
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        )


def run_worker(folder: Path, *options: str) -> int:
    worker = start_worker(folder, *options)
    try:
        return worker.wait(timeout=240)
    finally:
        worker.kill()  # on a machine that is too busy, it must not go on beside other tests
        worker.wait()


def worker_log(folder: Path) -> str:
    return (folder / "worker.log").read_text()


def read_json(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    return content


def progress_lines(folder: Path) -> list[dict[str, Any]]:
    file = folder / "progress.jsonl"
    if not file.exists():
        return []
    # The last line may be half written while the child lives.
    whole = file.read_text().rpartition("\n")[0]
    return [json.loads(line) for line in whole.splitlines()]
