"""The end of the daemon's log."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.services import ServicesDep
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
