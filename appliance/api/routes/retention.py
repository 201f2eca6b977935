"""Retention: what would go, and letting it go."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.schemas.base import Body, example
from appliance.api.services import Author, ServicesDep
from appliance.care.retention import RetentionRun

router = APIRouter(prefix="/retention", tags=["status"])


class NewRetention(Body):
    """dry_run: only say what would go, and why."""

    model_config = example({"dry_run": True})

    dry_run: bool = False


class LatestRetention(BaseModel):
    """`latest` is the run at work or the last one."""

    latest: RetentionRun | None


@router.get("", response_model=LatestRetention)
def get_retention(services: ServicesDep) -> Response:
    """How far the run is that is at work, or what the last one did."""
    return answer({"latest": services.house.retention.latest()})


@router.post("", status_code=202, response_model=RetentionRun)
def begin_retention(
    services: ServicesDep, author: Author, body: NewRetention | None = None
) -> Response:
    """Delete the clips worth least until the disk is below its limit; the topic `retention`
    tells how far it is, and the audit log what went."""
    return answer(services.house.retention.begin(body.dry_run if body else False, author), 202)
