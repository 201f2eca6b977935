"""The shadow: a version that listens silently beside the live one."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Cursor, Id, Limit, Page
from appliance.api.schemas.models import NewShadow
from appliance.api.services import Author, ServicesDep
from appliance.gate.shadow import ShadowView
from appliance.gate.shadow_table import ShadowSound

router = APIRouter(prefix="/shadow", tags=["listening"])


class ShadowList(BaseModel):
    """The one that listens silently now, and all there were, newest first."""

    current: ShadowView | None
    items: list[ShadowView]


@router.get("", response_model=ShadowList)
def get_shadow(services: ServicesDep) -> Response:
    """The version that listens silently, side by side with the live one; and earlier ones."""
    return answer(
        {"current": services.house.shadow.current(), "items": services.house.shadow.history()}
    )


@router.post("", status_code=201, response_model=ShadowView)
def begin_shadow(body: NewShadow, services: ServicesDep, author: Author) -> Response:
    """Let a version listen silently beside the live one: what the two disagree about goes to the
    head of the label inbox. Deploying it ends that."""
    return answer(services.house.shadow.begin(body.version, body.precision, author), 201)


@router.delete("", response_model=ShadowView)
def end_shadow(services: ServicesDep) -> Response:
    """It listens no more; its figures stay."""
    return answer(services.house.shadow.end())


@router.get("/{id}/disagreements", response_model=Page[ShadowSound])
def shadow_disagreements(
    id: Id, services: ServicesDep, limit: Limit = 50, cursor: Cursor = None
) -> Response:
    """Sounds about which the two said different things, newest first, with their clips."""
    return page(*services.house.shadow.disagreements(id, limit, cursor))
