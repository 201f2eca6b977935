"""Recording: now, background over a time, and daily."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Id, Page
from appliance.api.schemas.microphones import NewBackground, NewRecording, NewSchedule
from appliance.api.services import Author, ServicesDep
from appliance.library.schedules import Schedule
from appliance.recording.background import BackgroundTask
from appliance.recording.take import Recording

router = APIRouter(tags=["recording"])


@router.get("/recordings", response_model=Page[Recording])
def list_recordings(services: ServicesDep) -> Response:
    """The recordings that run now and the last that ended, newest first."""
    return page(services.house.recorder.all())


@router.post("/recordings", status_code=201, response_model=Page[Recording])
def start_recording(body: NewRecording, services: ServicesDep, author: Author) -> Response:
    """Record for so many seconds, or until stopped. A long one becomes consecutive clips of one
    session, each stored as soon as it is full."""
    started = services.house.recorder.begin(
        body.microphones,
        seconds=body.seconds,
        label=body.label,
        pre_roll_s=body.pre_roll_s,
        author=author,
    )
    return answer({"items": started, "next": None}, 201)


@router.get("/recordings/{id}", response_model=Recording)
def get_recording(id: Id, services: ServicesDep) -> Response:
    """One recording, also after its end."""
    return answer(services.house.recorder.get(id))


@router.post("/recordings/{id}/stop", response_model=Recording)
def stop_recording(id: Id, services: ServicesDep) -> Response:
    """End it now; what it recorded is kept."""
    return answer(services.house.recorder.finish(id))


@router.get("/background", response_model=Page[BackgroundTask])
def list_background(services: ServicesDep) -> Response:
    """The gatherings that run now and the last that ended, newest first."""
    return page(services.house.background.all())


@router.post("/background", status_code=201, response_model=BackgroundTask)
def gather_background(body: NewBackground, services: ServicesDep, author: Author) -> Response:
    """Gather short recordings spread over a time, to teach what is *not* to be reported."""
    task = services.house.background.begin(
        body.microphone,
        samples=body.samples,
        over_s=body.over_s,
        seconds=body.seconds,
        label=body.label,
        author=author,
    )
    return answer(task, 201)


@router.get("/background/{id}", response_model=BackgroundTask)
def get_background(id: Id, services: ServicesDep) -> Response:
    """One gathering, also after its end."""
    return answer(services.house.background.get(id))


@router.delete("/background/{id}", response_model=BackgroundTask)
def stop_background(id: Id, services: ServicesDep) -> Response:
    """End a gathering; what it recorded is kept."""
    return answer(services.house.background.cancel(id))


@router.get("/schedules", response_model=Page[Schedule])
def list_schedules(services: ServicesDep) -> Response:
    """The daily recordings."""
    return page(services.house.schedules.all())


@router.post("/schedules", status_code=201, response_model=Schedule)
def add_schedule(body: NewSchedule, services: ServicesDep) -> Response:
    """Record each day at the same local time."""
    return answer(
        services.house.schedules.add(body.microphone, body.at, body.seconds, body.label), 201
    )


@router.delete("/schedules/{id}", status_code=204)
def remove_schedule(id: Id, services: ServicesDep) -> Response:
    """End a daily recording."""
    services.house.schedules.remove(id)
    return Response(status_code=204)
