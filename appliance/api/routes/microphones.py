"""Microphones: which there are, which are set up, and how they do."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Page
from appliance.api.schemas.microphones import (
    DeviceList,
    MicrophoneChange,
    NewMicrophone,
    TriggerBody,
)
from appliance.api.services import ServicesDep
from appliance.library.microphones import FormerMicrophone
from appliance.recording.microphones import MicrophoneView
from appliance.recording.watcher import TriggerState

router = APIRouter(prefix="/microphones", tags=["microphones"])

# A microphone's id holds slashes when it is a replay; `{id:path}` takes them, encoded or not.
# The longer paths come first, or it would take those too.


@router.get("", response_model=Page[MicrophoneView])
def list_microphones(services: ServicesDep) -> Response:
    """The microphones that are set up, with what they do now."""
    return page(services.house.microphones.all())


@router.post("", status_code=201, response_model=MicrophoneView)
def add_microphone(body: NewMicrophone, services: ServicesDep) -> Response:
    """Set up a microphone. One that is not there now is waited for."""
    return answer(services.house.microphones.add(**body.model_dump()), 201)


@router.get("/available", response_model=DeviceList)
def available_microphones(services: ServicesDep) -> Response:
    """The devices that the system knows, set up or not, busy ones too. A sound server that hangs
    delays it by 2 s at most."""
    devices, problem = services.house.microphones.available()
    advice = "restart the sound server (PipeWire or PulseAudio)" if problem else ""
    return answer({"items": devices, "next": None, "problem": problem, "advice": advice})


@router.get("/former", response_model=Page[FormerMicrophone])
def former_microphones(services: ServicesDep) -> Response:
    """Those that were removed, by the last name that each had; their clips and detections stay."""
    return page(services.house.microphones.former())


@router.get("/{id:path}/trigger", response_model=TriggerState)
def get_trigger(id: str, services: ServicesDep) -> Response:
    """Whether it records by itself, its levels, and what it has recorded so far."""
    return answer(services.house.triggers.state(id))


@router.put("/{id:path}/trigger", response_model=TriggerState)
def set_trigger(id: str, services: ServicesDep, body: TriggerBody | None = None) -> Response:
    """Let it record by itself what rises above the background; null switches that off."""
    settings = None if body is None else body.model_dump(exclude_none=True)
    return answer(services.house.triggers.set(id, settings))


@router.get("/{id:path}", response_model=MicrophoneView)
def get_microphone(id: str, services: ServicesDep) -> Response:
    """One microphone, by id or name."""
    return answer(services.house.microphones.get(id))


@router.patch("/{id:path}", response_model=MicrophoneView)
def change_microphone(id: str, body: MicrophoneChange, services: ServicesDep) -> Response:
    """Change name, gain, channel, or whether it is opened and listened to. At work at once."""
    return answer(services.house.microphones.update(id, body.model_dump(exclude_unset=True)))


@router.delete("/{id:path}", status_code=204)
def remove_microphone(id: str, services: ServicesDep) -> Response:
    """Forget a microphone and its schedules. Its clips and detections stay."""
    services.house.microphones.remove(id)
    return Response(status_code=204)
