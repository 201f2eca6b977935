"""The history: the last hours of each microphone."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.schemas.base import Body, example
from appliance.api.services import Author, ServicesDep
from appliance.errors import InvalidInput
from appliance.library.clip import Clip
from appliance.recording.history import HistoryStatus

router = APIRouter(prefix="/history", tags=["history"])


class HistoryCut(Body):
    """A stretch of the history, in seconds after a time, or (as an event of a comparison names it)
    after the beginning of a minute; the end may lie in the minutes after it."""

    model_config = example(
        {"microphone": "kitchen", "minute": 312, "start_s": 41.5, "end_s": 46.5, "label": None}
    )

    microphone: str = Field(max_length=1024, description="an id or a name")
    minute: int | None = Field(None, ge=0, le=10**9)
    at: float | None = Field(None, description="epoch seconds, instead", allow_inf_nan=False)
    start_s: float = Field(ge=0, le=3600, allow_inf_nan=False)
    end_s: float = Field(ge=0, le=3600, allow_inf_nan=False)
    label: str | None = Field(None, max_length=200)


@router.get("", response_model=HistoryStatus)
def get_history(services: ServicesDep) -> Response:
    """Whether the last hours are kept, and how much there is of each microphone."""
    return answer(services.house.history.status())


@router.post("/pause", response_model=HistoryStatus)
def pause_history(services: ServicesDep) -> Response:
    """Keep nothing until it is resumed, also over a restart. What is there stays."""
    services.house.history.pause()
    return answer(services.house.history.status())


@router.post("/resume", response_model=HistoryStatus)
def resume_history(services: ServicesDep) -> Response:
    """Keep the last hours again."""
    services.house.history.resume()
    return answer(services.house.history.status())


@router.delete("", status_code=204)
def forget_history(services: ServicesDep) -> Response:
    """Remove all that is kept."""
    services.house.history.forget()
    return Response(status_code=204)


@router.post("/cut", status_code=201, response_model=Clip)
def cut_history(body: HistoryCut, services: ServicesDep, author: Author) -> Response:
    """A stretch as a clip, to be listened to and labelled. It stays when the minute rolls away."""
    if (body.minute is None) == (body.at is None):
        raise InvalidInput("when?", "give `minute` or `at`, one of them")
    stretch = body.model_dump(exclude={"at"})
    if body.at is not None:
        minute, start_s = services.house.history.place(body.microphone, body.at)
        stretch["minute"] = minute
        for end in ("start_s", "end_s"):
            stretch[end] += start_s
    return answer(services.house.history.cut(**stretch, author=author), 201)
