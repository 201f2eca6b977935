"""Backups: begun, followed, listed. Restoring is `earmark restore`, without a daemon."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.schemas.base import Body, example
from appliance.api.services import ServicesDep
from appliance.care.backups import Backup
from appliance.care.copies import CopiesState

router = APIRouter(prefix="/backups", tags=["status"])


class NewBackup(Body):
    """Where to; if not given: the setting backup.target, or backups/ in the data folder."""

    model_config = example({"target": "/mnt/usb/earmark"})

    target: str | None = Field(None, min_length=1, max_length=1024)


class BackupList(BaseModel):
    """`latest` is the one that runs or the last one; `items` are complete, the newest first;
    `copies` are those of the database alone that the box makes by itself, on its own disk."""

    target: str
    latest: Backup | None
    items: list[dict[str, Any]]
    copies: CopiesState


@router.get("", response_model=BackupList)
def list_backups(
    services: ServicesDep,
    target: Annotated[
        str | None, Query(min_length=1, max_length=1024, description="another folder")
    ] = None,
) -> Response:
    """The backups in `target`, or at the usual place, and how far the one is that runs."""
    kept = services.house.backups
    place = Path(target) if target else kept.target
    return answer(
        {
            "target": str(place),
            "latest": kept.latest(),
            "items": kept.all(place),
            "copies": services.house.copies.state(),
        }
    )


@router.post("", status_code=202, response_model=Backup)
def begin_backup(services: ServicesDep, body: NewBackup | None = None) -> Response:
    """Begin a backup of sounds, labels and versions; the topic `backup` tells how far it is."""
    return answer(services.house.backups.begin(body.target if body else None), 202)
