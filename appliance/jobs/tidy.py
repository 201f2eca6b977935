"""Folders of trainings that have ended: which stay, which go, and of which only the log stays.

A folder stays while its version does, since it tells how that was made, and while it is among the
last that ended. Of older failures the log stays longer: it is what somebody asks for.
"""

from __future__ import annotations

import logging
import shutil
from pathlib import Path

from appliance.jobs import bundle
from appliance.jobs.job import ENDED, FAILED
from appliance.paths import DataFolder
from appliance.settings import TrainingSettings
from appliance.store.database import Database

log = logging.getLogger(__name__)

GOING = ".going-"
LAST_WORDS = (bundle.LOG, bundle.ERROR)


def tidy(db: Database, folder: DataFolder, settings: TrainingSettings) -> int:
    """Remove what need not stay; how many folders were removed or emptied. Only those of ended
    jobs that the database knows: a folder of a job that was restored away is nobody's to judge."""
    for left in folder.jobs.glob(f"{GOING}*"):
        shutil.rmtree(left, ignore_errors=True)
    rows = db.rows(
        "SELECT j.id, j.state, EXISTS (SELECT 1 FROM versions v WHERE v.job_id = j.id"
        f" AND v.deleted_at IS NULL) AS lives FROM jobs j WHERE j.state IN {ENDED}"
        " ORDER BY j.id DESC"
    )
    changed = failures = 0
    for number, row in enumerate(rows):
        failures += row["state"] == FAILED
        path = folder.job(row["id"])
        if row["lives"] or number < settings.keep_jobs or not path.exists():
            continue
        try:
            if row["state"] == FAILED and failures <= settings.keep_failed_logs:
                changed += _only_last_words(path)
            else:
                _remove(path)
                changed += 1
        except OSError as error:
            log.warning("the folder of job %d stays: %s", row["id"], error)
    if changed:
        log.info("tidied the folders of %d trainings that have ended", changed)
    return changed


def _only_last_words(path: Path) -> bool:
    going = [entry for entry in path.iterdir() if entry.name not in LAST_WORDS]
    for entry in going:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()
    return bool(going)


def _remove(path: Path) -> None:
    # Renamed first, so that no half of a folder can be taken for that of a job.
    aside = path.with_name(f"{GOING}{path.name}")
    path.rename(aside)
    shutil.rmtree(aside)
