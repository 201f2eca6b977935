"""What lies outside /api/v1, for watchers: liveness and Prometheus."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from appliance import __version__
from appliance.api.answers import answer
from appliance.api.metrics import metrics
from appliance.api.services import ServicesDep

router = APIRouter(tags=["status"])


class Health(BaseModel):
    """The daemon answers."""

    status: str
    version: str


@router.get("/healthz", response_model=Health)
async def health() -> Response:
    """Whether the daemon answers. The only path that is open without the token."""
    return answer({"status": "ok", "version": __version__})


@router.get(
    "/metrics",
    response_class=PlainTextResponse,
    responses={200: {"content": {"text/plain": {}}, "description": "Prometheus text"}},
)
def prometheus(services: ServicesDep) -> Response:
    """The box's figures for Prometheus."""
    return PlainTextResponse(
        metrics(services), headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"}
    )
