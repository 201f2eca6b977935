"""How well the box is: each check with what to do."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.bundle import bundle
from appliance.api.services import ServicesDep
from appliance.care.check import Report

router = APIRouter(tags=["status"])


@router.get("/health", response_model=Report)
def get_health(services: ServicesDep) -> Response:
    """Every check: `state` is ok, warning, failing or not applicable, `advice` what to do. The
    first `state` is the worst of them. Whether the daemon lives at all says `/healthz`."""
    return answer(services.health.report())


@router.get(
    "/support-bundle",
    response_class=Response,
    responses={200: {"content": {"application/zip": {}}, "description": "a zip"}},
)
def get_support_bundle(services: ServicesDep) -> Response:
    """A zip for somebody who shall help: status, health, settings, logs, jobs, versions' cards. No
    sounds, no token, no names of labels."""
    return Response(
        bundle(services),
        media_type="application/zip",
        headers={"Content-Disposition": 'attachment; filename="earmark-support.zip"'},
    )
