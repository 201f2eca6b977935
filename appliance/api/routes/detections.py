"""What was heard, and what is heard now."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Id, Page
from appliance.api.schemas.models import (
    DetectionQuery,
    RejectedCandidate,
    RejectedQuery,
    Review,
    ReviewMany,
)
from appliance.api.schemas.results import Hearing
from appliance.api.services import Author, ServicesDep
from appliance.live.detections import Detection

router = APIRouter(tags=["listening"])


@router.get("/hearing", response_model=Hearing)
def hearing(services: ServicesDep) -> Response:
    """What each microphone hears now: the five highest scores, below every threshold too."""
    return answer(services.house.listener.hearing())


@router.get("/rejected", response_model=Page[RejectedCandidate])
def list_rejected(query: Annotated[RejectedQuery, Query()], services: ServicesDep) -> Response:
    """Candidates that were not reported, newest first, each with the reason."""
    return page(services.house.listener.rejected(**query.model_dump()))


@router.get("/detections", response_model=Page[Detection])
def list_detections(query: Annotated[DetectionQuery, Query()], services: ServicesDep) -> Response:
    """Detections, newest first."""
    found = services.house.detections.page(**query.model_dump())
    return page(found.items, found.next_cursor)


@router.post("/detections/review", response_model=Page[Detection])
def review_detections(body: ReviewMany, services: ServicesDep, author: Author) -> Response:
    """Judge many at once, all or none of them; their clips become training data."""
    reviewed = services.house.detections.review_many(
        body.detections, body.review, body.label, author, create=body.create
    )
    return page(reviewed)


@router.get("/detections/{id}", response_model=Detection)
def get_detection(id: Id, services: ServicesDep) -> Response:
    """One detection."""
    return answer(services.house.detections.get(id))


@router.put("/detections/{id}/review", response_model=Detection)
def review_detection(id: Id, body: Review, services: ServicesDep, author: Author) -> Response:
    """Say whether it was right, and what it really was."""
    reviewed = services.house.detections.review(
        id, body.review, body.label, author, create=body.create
    )
    return answer(reviewed)
