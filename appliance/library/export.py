"""Clips as plain files: one folder a class, and a `labels.csv` that import reads again."""

from __future__ import annotations

import csv
import shutil
from dataclasses import dataclass
from pathlib import Path

from appliance.errors import Conflict
from appliance.library.clip import Clip
from appliance.library.clips import Clips
from appliance.library.disk import disk_errors
from appliance.library.filters import ClipFilter

UNLABELLED = "unlabelled"
COLUMNS = (
    "file",
    "label",
    "session",
    "microphone",
    "source",
    "filename",
    "start_s",
    "duration_s",
    "sample_rate",
    "recorded_at",
    "sha256",
)


@dataclass(frozen=True)
class Exported:
    clips: int
    size: int


def export_clips(clips: Clips, wanted: ClipFilter, folder: Path) -> Exported:
    """Copy the clips that `wanted` describes into `folder`, which must be new or empty.

    Files are named by the clip's id, since names that came with an upload are not trusted as
    paths. `labels.csv` comes last, so a folder that has one is complete; a clip without a label
    has an empty one there. Raises Conflict, LowSpace or StoreError.
    """
    if folder.exists() and any(folder.iterdir()):
        raise Conflict(f"{folder} is not empty", "export into a new folder")
    size = 0
    rows = []
    with disk_errors("the export"):
        folder.mkdir(parents=True, exist_ok=True)
        for clip in clips.get_many(clips.ids(wanted)):
            target = folder / (clip.label or UNLABELLED) / f"clip-{clip.id:06d}.flac"
            target.parent.mkdir(exist_ok=True)
            shutil.copyfile(clips.path(clip), target)
            size += clip.size
            rows.append(_row(clip, target.relative_to(folder)))
        with (folder / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS)
            writer.writerows(rows)
    return Exported(len(rows), size)


def _row(clip: Clip, file: Path) -> list[object]:
    return [
        file.as_posix(),
        clip.label or "",
        clip.session_key,
        clip.microphone or "",
        clip.source,
        clip.filename or "",
        f"{clip.start_s:.3f}",
        f"{clip.duration_s:.3f}",
        clip.sample_rate,
        f"{clip.recorded_at:.3f}",
        clip.sha256,
    ]
