"""What the box did by itself that a person should know of, until somebody has read it."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.schemas.base import LARGEST_ID, Body, example
from appliance.api.services import Author, ServicesDep
from appliance.care.notices import Notice

router = APIRouter(prefix="/notices", tags=["status"])


class ReadNotices(Body):
    """Which one was read; all of them if not given."""

    model_config = example({"id": 1})

    id: int | None = Field(None, ge=1, le=LARGEST_ID)


class NoticeList(BaseModel):
    """The newest first; `read_by` is empty until somebody has read it."""

    items: list[Notice]


class NoticesRead(BaseModel):
    """How many that were."""

    read: int


@router.get("", response_model=NoticeList)
def list_notices(services: ServicesDep) -> Response:
    """What the box did by itself: a database that was restored, files that were set aside."""
    return answer({"items": services.house.notices.all()})


@router.post("/read", response_model=NoticesRead)
def read_notices(
    services: ServicesDep, author: Author, body: ReadNotices | None = None
) -> Response:
    """Say that these were read: the check of health and the light are content then."""
    return answer({"read": services.house.notices.acknowledge(author, body.id if body else None)})
