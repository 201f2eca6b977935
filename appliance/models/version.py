"""A version: a trained model with a name, V001, V002, ..."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

from appliance.store.database import Database, Row

READY, DEPLOYED = "ready", "deployed"
TRAINED, IMPORTED = "trained", "imported"
_WRITTEN = re.compile(r"[vV]?0*([0-9]{1,9})", re.ASCII)


def version_name(number: int) -> str:
    """`1` -> `V001`."""
    return f"V{number:03d}"


def named(text: str) -> str:
    """The name as versions have it, of one that a person wrote: `v7`, `7` -> `V007`. What is no
    version's name is given back as it is."""
    match = _WRITTEN.fullmatch(text.strip())
    return text if match is None else version_name(int(match[1]))


def every_class(db: Database) -> set[str]:
    """What any version that was not deleted tells apart."""
    rows = db.rows("SELECT classes FROM versions WHERE deleted_at IS NULL")
    return {name for row in rows for name in json.loads(row["classes"])}


@dataclass(frozen=True)
class Version:
    """One row of `versions` for people; figures are shares (0 to 1), window and hop seconds.

    `stopped` says why its training ended, `seconds` how long it took; `parent` is the version
    whose weights it began with; `windows_missed` counts
    those that listening lost while it was trained (None for an imported one): the promise is 0.
    `optimistic` says why the figures promise more than the box will keep, empty when they do not.
    """

    name: str
    number: int
    created_at: float
    classes: list[str]
    accuracy: float | None
    macro_f1: float | None
    dataset_version: str | None
    job: int | None
    parent: str | None
    stopped: str
    note: str
    state: str
    parameters: int
    window_s: float
    hop_s: float
    sample_rate: int
    source: str
    seconds: float
    windows_missed: int | None
    optimistic: str = ""

    @classmethod
    def from_row(cls, row: Row, optimistic: str = "") -> Version:
        """From a row of `versions` with a further column `deployed` (0 or 1)."""
        card = json.loads(row["card"])
        rate = card["sample_rate"]
        return cls(
            name=row["name"],
            number=row["number"],
            created_at=row["created_at"],
            classes=json.loads(row["classes"]),
            accuracy=row["accuracy"],
            macro_f1=row["macro_f1"],
            dataset_version=row["dataset_version"],
            job=row["job_id"],
            parent=row["parent"],
            stopped=row["stopped"],
            note=row["note"],
            state=DEPLOYED if row["deployed"] else READY,
            parameters=card["parameters"],
            window_s=card["window_samples"] / rate,
            hop_s=card["hop_samples"] / rate,
            sample_rate=rate,
            source=row["source"],
            seconds=row["seconds"],
            windows_missed=row["windows_missed"],
            optimistic=optimistic,
        )
