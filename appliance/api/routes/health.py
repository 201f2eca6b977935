"""How well the box is: each check with what to do."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.services import ServicesDep
from appliance.care.check import Report

router = APIRouter(tags=["status"])


@router.get("/health", response_model=Report)
def get_health(services: ServicesDep) -> Response:
    """Every check: `state` is ok, warning, failing or not applicable, `advice` what to do. The
    first `state` is the worst of them. Whether the daemon lives at all says `/healthz`."""
    return answer(services.health.report())
