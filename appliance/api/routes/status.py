"""How the box is."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.condition import condition
from appliance.api.services import ServicesDep
from appliance.care.notices import Notice
from appliance.care.space import SpaceState
from appliance.jobs.job import Job
from appliance.library.speech_filter import SpeechState
from appliance.models.building import Work
from appliance.models.deploy import Deployment
from appliance.recording.history import HistoryStatus
from appliance.recording.microphones import MicrophoneView
from appliance.recording.privacy import PrivacyState

router = APIRouter(tags=["status"])


class Disk(BaseModel):
    """Bytes of the disk that holds the data folder."""

    free: int
    total: int


class Status(BaseModel):
    """The box in one look; `job` is the one that holds the slot, `engine_work` the engine that
    is being built now, `notices` what the box did by itself and nobody has read yet."""

    version: str
    uptime_s: float
    boot_id: str
    clock_synced: bool
    data_folder: str
    disk: Disk
    space: SpaceState
    notices: list[Notice]
    memory_mb: float
    microphones: list[MicrophoneView]
    privacy: PrivacyState
    speech: SpeechState
    deployment: Deployment | None
    engine_work: Work | None
    job: Job | None
    queue_length: int
    history: HistoryStatus
    clips: int
    labels: int
    pid: int


@router.get("/status", response_model=Status)
def get_status(services: ServicesDep) -> Response:
    """The box in one look."""
    return answer(condition(services))
