"""The end of the daemon's log, and who changed what."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Page
from appliance.api.services import ServicesDep
from appliance.logs import Change, changes
from appliance.logtail import KEPT

router = APIRouter(tags=["status"])


class LogLines(BaseModel):
    """The newest line stands last."""

    lines: list[str]


@router.get("/log", response_model=LogLines)
def get_log(
    services: ServicesDep,
    lines: Annotated[int, Query(ge=1, le=KEPT, description="how many")] = 100,
) -> Response:
    """What the daemon said last, since its start; the journal has all of it."""
    return answer({"lines": services.log.last(lines)})


@router.get("/audit", response_model=Page[Change])
def get_audit(
    services: ServicesDep,
    last: Annotated[int, Query(ge=1, le=10_000, description="how many")] = 100,
) -> Response:
    """Who changed what, and when: the newest entry stands last. No tokens and no contents. It is
    kept in the file audit.log of the data folder, over restarts."""
    return page(changes(services.house.folder.audit, last))
