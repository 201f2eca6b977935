"""The label inbox: clips without a label, those that would teach most first."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Page
from appliance.api.schemas.clips import InboxQuery
from appliance.api.services import ServicesDep
from appliance.inbox.table import InboxClip, InboxSummary

router = APIRouter(prefix="/inbox", tags=["clips"])


@router.get("", response_model=Page[InboxClip])
def list_inbox(query: Annotated[InboxQuery, Query()], services: ServicesDep) -> Response:
    """Clips without a label: flagged ones, then what would teach most, with a suggested label."""
    found = services.house.inbox.page(**query.model_dump())
    return page(found.items, found.next_cursor)


@router.get("/summary", response_model=InboxSummary)
def inbox_summary(services: ServicesDep) -> Response:
    """How many clips wait for a label, and how many of them the live version has judged."""
    live = services.house.deployments.current()
    return answer(services.house.inbox.summary(live.version if live else None))
