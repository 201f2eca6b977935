"""The folder of a job: the bundle that goes into a training, and the one that comes out."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from appliance.errors import InvalidInput
from appliance.models.card import read_json
from appliance.models.result import Result, check_result
from appliance.paths import DataFolder, fsync_folder

FORMAT = 1
SAMPLE_RATE = 16_000
MANIFEST, PLAN, ERROR, LOG = "manifest.json", "plan.json", "error.json", "worker.log"
PROGRESS, RESULT, CHECKPOINTS = "progress.jsonl", "result", "checkpoints"
_LOG_TAIL = 64 * 1024


def write_bundle(
    folder: DataFolder,
    row: Mapping[str, Any],
    dataset: Mapping[str, Any],
    *,
    initial_weights: Path | None,
    threads: int,
) -> Path:
    """Write the manifest of a job and take away what an earlier attempt left half-done; its
    checkpoints stay. `dataset` is the manifest of the job's dataset version. Returns the folder.
    A folder that another job of this number left (before a restored backup) is emptied.

    Raises OSError when the disk refuses, InvalidInput when a clip's file is missing.
    """
    path = folder.job(row["id"])
    if _is_of_another_job(path, row):
        shutil.rmtree(path)
    path.mkdir(parents=True, exist_ok=True)
    discard_result(path)
    (path / ERROR).unlink(missing_ok=True)
    clips = []
    for clip in dataset["clips"]:
        file = folder.clip(clip["sha256"])
        if not file.exists():
            raise InvalidInput(
                f"clip {clip['id']} of {row['dataset_version']} has lost its file",
                "restore a backup, or submit the job with a new dataset version",
            )
        clips.append(
            {
                "id": clip["id"],
                "path": str(file),
                "label": clip["label"],
                # What holds together in the split; older dataset versions know no near copies.
                "session": clip.get("group", clip["session"]),
                "microphone": clip["microphone"],
                "duration_s": clip["duration_s"],
                "fold": clip["fold"],
            }
        )
    manifest = {
        "format": FORMAT,
        "job": row["id"],
        "submitted_at": row["submitted_at"],
        "seed": 0,
        "threads": threads,
        "budget_s": row["limit_s"],
        "used_s": row["used_s"],
        "sample_rate": SAMPLE_RATE,
        "classes": sorted(dataset["classes"]),
        "protocol": dataset["protocol"],
        "optimistic": dataset.get("optimistic", {}),
        "clips": clips,
        "initial_weights": str(initial_weights) if initial_weights else None,
        "steps": None,
    }
    temporary = path / f"{MANIFEST}.new"
    with temporary.open("w", encoding="utf-8") as file_out:
        json.dump(manifest, file_out)
        file_out.flush()
        os.fsync(file_out.fileno())
    temporary.rename(path / MANIFEST)
    fsync_folder(path)
    return path


def _is_of_another_job(path: Path, row: Mapping[str, Any]) -> bool:
    if not (path / MANIFEST).exists():
        return path.exists()
    try:
        return bool(read_json(path / MANIFEST).get("submitted_at") != row["submitted_at"])
    except InvalidInput:
        return True


def read_result(path: Path) -> tuple[Result | None, str]:
    """The checked result of a job folder, or None with what is wrong with it."""
    try:
        return check_result(path / RESULT), ""
    except InvalidInput as error:
        return None, str(error)


def read_error(path: Path) -> dict[str, str] | None:
    """What the training says about its own failure."""
    if not (path / ERROR).exists():
        return None
    try:
        raw = read_json(path / ERROR)
    except InvalidInput as error:
        return {"reason": "crashed", "detail": str(error), "advice": ""}
    return {name: str(raw.get(name) or "") for name in ("reason", "detail", "advice")}


def discard_result(path: Path) -> None:
    """Take a result away: aside first, so that no half of it can be taken for a whole one."""
    result = path / RESULT
    if result.exists():
        aside = path / f"{RESULT}.discarded"
        shutil.rmtree(aside, ignore_errors=True)
        result.rename(aside)
        fsync_folder(path)
        shutil.rmtree(aside, ignore_errors=True)


def has_checkpoint(path: Path) -> bool:
    """Whether there is something to salvage or to resume from."""
    return any(entry.is_dir() for entry in (path / CHECKPOINTS).glob("[0-9]*"))


def forget_checkpoints(path: Path) -> None:
    """After a version was published they have served."""
    shutil.rmtree(path / CHECKPOINTS, ignore_errors=True)


def read_log(path: Path) -> str:
    """The end of what the training printed, at most 64 kB."""
    try:
        with (path / LOG).open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - _LOG_TAIL))
            return file.read().decode("utf-8", errors="replace")
    except FileNotFoundError:
        return ""
