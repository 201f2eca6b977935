"""Comparisons: versions heard against each other on clips and history."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Cursor, Id, Limit, Page
from appliance.api.schemas.models import NewComparison
from appliance.api.services import Author, ServicesDep
from appliance.gate.comparisons import Comparison

router = APIRouter(prefix="/comparisons", tags=["listening"])


@router.get("", response_model=Page[Comparison])
def list_comparisons(services: ServicesDep, limit: Limit = 50, cursor: Cursor = None) -> Response:
    """The newest first, without their reports."""
    return page(*services.house.gate.comparisons.page(limit, cursor))


@router.post("", status_code=202, response_model=Comparison)
def compare(body: NewComparison, services: ServicesDep, author: Author) -> Response:
    """Hear two versions against each other on the labelled clips and the history. Nothing is
    deployed. It goes on in the background: see `GET /comparisons/{id}`."""
    return answer(
        services.house.gate.get(services.house.gate.compare(**body.model_dump(), author=author)),
        202,
    )


@router.get("/{id}", response_model=Comparison)
def get_comparison(id: Id, services: ServicesDep) -> Response:
    """One comparison: its progress while it runs, then its report."""
    return answer(services.house.gate.get(id))


@router.post("/{id}/cancel", response_model=Comparison)
def cancel_comparison(id: Id, services: ServicesDep) -> Response:
    """End it; what it would have deployed is not deployed."""
    return answer(services.house.gate.cancel(id))
