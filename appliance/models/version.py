"""A version: a trained model with a name, V001, V002, ..."""

from __future__ import annotations

import json
from dataclasses import dataclass

from appliance.store.database import Row

READY, DEPLOYED = "ready", "deployed"
TRAINED, IMPORTED = "trained", "imported"


def version_name(number: int) -> str:
    """`1` -> `V001`."""
    return f"V{number:03d}"


@dataclass(frozen=True)
class Version:
    """One row of `versions` for people; figures are shares (0 to 1), window and hop seconds.

    `stopped` says why its training ended, `seconds` how long it took; `parent` is the version
    whose weights it began with; `windows_missed` counts
    those that listening lost while it was trained (None for an imported one): the promise is 0.
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

    @classmethod
    def from_row(cls, row: Row) -> Version:
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
        )
