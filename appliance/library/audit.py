"""Does the library keep its promises? Every row has its file, every file is whole, counts agree.

It reads every clip from disk, so it is for after a crash, a restore or a doubt, not for each day.
"""

from __future__ import annotations

from appliance.errors import EarmarkError
from appliance.library.datasets import Datasets
from appliance.paths import DataFolder, file_hash
from appliance.store.database import Database


def audit(db: Database, folder: DataFolder) -> list[str]:
    """One line for each promise that is broken; empty when all is well.

    A whole file without a row is no breach: a crash may leave one. A damaged file is.
    """
    return [
        *_database(db),
        *_rows(db, folder),
        *_files(folder),
        *_counts(db),
        *_datasets(db, folder),
    ]


def _database(db: Database) -> list[str]:
    found = [
        text
        for row in db.rows("PRAGMA integrity_check")
        if (text := row["integrity_check"]) != "ok"
    ]
    found += [f"foreign key of {row['table']}" for row in db.rows("PRAGMA foreign_key_check")]
    return [f"the database is damaged: {text}" for text in found]


def _rows(db: Database, folder: DataFolder) -> list[str]:
    return [
        f"clip {row['id']} has no file"
        for row in db.rows("SELECT id, sha256 FROM clips")
        if not folder.clip(row["sha256"]).is_file()
    ]


def _files(folder: DataFolder) -> list[str]:
    return [
        f"{file.name} is not the sound that its name says"
        for part in folder.clips.iterdir()
        if part != folder.incoming
        for file in part.iterdir()
        if f"{file_hash(file)}.flac" != file.name
    ]


def _counts(db: Database) -> list[str]:
    kept = db.rows("SELECT name, clips, sessions FROM labels ORDER BY id")
    counted = db.rows(
        "SELECT l.name, count(c.id) AS clips, count(DISTINCT c.session_id) AS sessions"
        " FROM labels l LEFT JOIN clips c ON c.label_id = l.id GROUP BY l.id ORDER BY l.id"
    )
    return [
        f"label {ours['name']!r} says {ours['clips']} clips of {ours['sessions']} sessions,"
        f" but has {true['clips']} of {true['sessions']}"
        for ours, true in zip(kept, counted, strict=True)
        if ours != true
    ]


def _datasets(db: Database, folder: DataFolder) -> list[str]:
    datasets = Datasets(db, folder)
    broken = []
    for version in datasets.all():
        try:
            manifest = datasets.manifest(version.name)
        except EarmarkError as error:
            broken.append(str(error))
            continue
        rows = db.rows(
            "SELECT clip_id AS id, label, fold FROM dataset_clips WHERE dataset_id = ?"
            " ORDER BY clip_id",
            (version.id,),
        )
        listed = [{key: clip[key] for key in ("id", "label", "fold")} for clip in manifest["clips"]]
        if rows != listed:
            broken.append(f"dataset version {version.name!r} lists other clips than its file")
    return broken
