"""`earmark export FOLDER`: clips as class folders with labels.csv, detections as CSV."""

from __future__ import annotations

import csv
import hashlib
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.filters import filter_options
from appliance.cli.output import count, safe, say
from appliance.errors import InvalidInput

if TYPE_CHECKING:
    from appliance.client import Client

UNLABELLED = "unlabelled"
# As the library's own export writes them, so that either can be imported again.
CLIP_COLUMNS = (
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
DETECTION_COLUMNS = (
    "id",
    "started_at",
    "ended_at",
    "microphone",
    "label",
    "score",
    "peak",
    "version",
    "deployment",
    "delay_ms",
    "onset_delay_ms",
    "clip",
    "review",
    "review_label",
)


@command("export", short_help="Write clips as class folders and detections as CSV.")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option("--clips/--no-clips", "with_clips", default=True, help="Write the clips.")
@click.option("--detections/--no-detections", default=True, help="Write detections.csv.")
@filter_options
@pass_state
def export(
    state: State, folder: Path, with_clips: bool, detections: bool, filters: dict[str, Any]
) -> None:
    """Write FOLDER/LABEL/clip-000001.flac, FOLDER/labels.csv and FOLDER/detections.csv.

    `earmark import FOLDER --session-column session` reads the clips again. The conditions choose
    clips; --label, --microphone, --since and --until choose detections too.
    """
    if not with_clips and not detections:
        raise click.UsageError("there is nothing left to export")
    written: dict[str, Any] = {}
    if with_clips:
        written.update(export_clips(state, folder, filters))
    if detections:
        written["detections"] = export_detections(state, folder, filters)
    if state.json:
        emit({"folder": str(folder), **written})
    else:
        say(summary(written, folder))


def summary(written: dict[str, Any], folder: Path) -> str:
    parts = []
    if "clips" in written:
        parts.append(f"{count(written['clips'], 'clip')} ({written['kept']} were there already)")
    if "detections" in written:
        parts.append(count(written["detections"], "detection"))
    return f"{' and '.join(parts)} in {safe(folder)}"


def export_clips(state: State, folder: Path, filters: dict[str, Any]) -> dict[str, int]:
    """Download what `filters` describes. Each file is checked against its hash, and one that is
    there already is kept. `labels.csv` comes last, so a folder that has one is complete."""
    from appliance.cli.progress import Progress

    rows: list[list[Any]] = []
    kept = 0
    with state.client() as client:
        listed = list(client.pages("/clips", limit=500, **filters))
        listed.sort(key=lambda clip: int(clip["id"]))
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "labels.csv").unlink(missing_ok=True)
        with Progress("export", len(listed), "clips", quiet=state.json) as progress:
            for number, clip in enumerate(listed, start=1):
                name = f"{_folder_name(clip['label'])}/clip-{clip['id']:06d}.flac"
                target = folder / name
                if _hash(target) == clip["sha256"]:
                    kept += 1
                else:
                    _download(client, clip, target)
                rows.append(_clip_row(clip, name))
                progress.update(number)
    _write_csv(folder / "labels.csv", CLIP_COLUMNS, rows)
    return {"clips": len(rows), "kept": kept}


def export_detections(state: State, folder: Path, filters: dict[str, Any]) -> int:
    """Write detections.csv; times are epoch seconds. Returns how many."""
    chosen = {k: v for k, v in filters.items() if k in ("label", "microphone", "since", "until")}
    folder.mkdir(parents=True, exist_ok=True)
    with state.client() as client:
        found = client.pages("/detections", limit=500, **chosen)
        return _write_csv(folder / "detections.csv", DETECTION_COLUMNS, _detection_rows(found))


def _detection_rows(found: Iterable[dict[str, Any]]) -> Iterator[list[Any]]:
    for detection in found:
        yield [detection.get(column, "") for column in DETECTION_COLUMNS]


def _clip_row(clip: dict[str, Any], name: str) -> list[Any]:
    return [
        name,
        clip["label"] or "",
        clip["session_key"],
        clip["microphone"] or "",
        clip["source"],
        clip["filename"] or "",
        f"{clip['start_s']:.3f}",
        f"{clip['duration_s']:.3f}",
        clip["sample_rate"],
        f"{clip['recorded_at']:.3f}",
        clip["sha256"],
    ]


def _folder_name(label: str | None) -> str:
    """A label as one folder's name, whatever the daemon says: never hidden, never a way out."""
    if not label:
        return UNLABELLED
    name = label.replace("/", "_").replace("\0", "_")
    return f"_{name}" if name.startswith(".") else name


def _download(client: Client, clip: dict[str, Any], target: Path) -> None:
    target.parent.mkdir(exist_ok=True)
    client.download(f"/clips/{clip['id']}/audio", target)
    if _hash(target) != clip["sha256"]:
        target.unlink()
        raise InvalidInput(
            f"clip {clip['id']} arrived damaged: its hash is another one", "run the export again"
        )


def _hash(path: Path) -> str | None:
    """SHA-256 of a file, None when there is none."""
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while block := file.read(1 << 20):
                digest.update(block)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return digest.hexdigest()


def _write_csv(path: Path, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> int:
    """Appears only when it is complete."""
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    number = 0
    try:
        with partial.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            for row in rows:
                writer.writerow(row)
                number += 1
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
    return number
