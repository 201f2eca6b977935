"""Quarantine: what was set aside, putting it back, and the look at the library that finds it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.services import ServicesDep
from appliance.care.inspected import Inspected
from appliance.care.quarantine import Item
from appliance.care.release import release
from appliance.library.clip import Clip

router = APIRouter(prefix="/quarantine", tags=["status"])

ItemId = Annotated[str, Path(max_length=200, description="as the list gives it")]


class QuarantineList(BaseModel):
    """`items`: newest first; `inspection`: the look at the library that goes on, or the last."""

    items: list[Item]
    inspection: Inspected | None


@router.get("", response_model=QuarantineList)
def list_quarantine(services: ServicesDep) -> Response:
    """What was set aside instead of deleted: damaged or stray sounds, databases."""
    return answer(
        {"items": services.house.quarantine.all(), "inspection": services.house.inspection.latest()}
    )


@router.post("/inspection", status_code=202, response_model=QuarantineList)
def begin_inspection(services: ServicesDep) -> Response:
    """Look at every sound now, instead of over days; the topic `notice` tells what was found."""
    services.house.inspection.begin()
    return list_quarantine(services)


@router.post("/{id}/restore", response_model=Clip)
def restore_item(id: ItemId, services: ServicesDep) -> Response:
    """Put a sound back among the clips: under the clip that lost it, or as a new one."""
    clip = release(
        services.house.quarantine.get(id),
        services.house.quarantine,
        services.house.db,
        services.house.clips,
        services.house.folder,
    )
    return answer(services.house.clips.get(clip))


@router.delete("/{id}", status_code=204, response_class=Response)
def delete_item(id: ItemId, services: ServicesDep) -> Response:
    """Delete it for good."""
    services.house.quarantine.delete(services.house.quarantine.get(id))
    return Response(status_code=204)
