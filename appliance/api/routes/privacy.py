"""Not listening for a while, and listening again."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import Field
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.schemas.base import Body, example
from appliance.api.services import Author, ServicesDep
from appliance.library.speech_filter import SpeechState
from appliance.recording.privacy import LONGEST_REASON, LONGEST_S, PRIVACY, PrivacyState

router = APIRouter(prefix="/privacy", tags=["privacy"])


class NewPause(Body):
    """Close every microphone, for so long or until somebody resumes."""

    model_config = example({"for_s": 3600, "reason": "privacy"})

    for_s: float | None = Field(None, ge=1, le=LONGEST_S, allow_inf_nan=False)
    reason: str = Field(PRIVACY, min_length=1, max_length=LONGEST_REASON)


@router.get("", response_model=PrivacyState)
def get_privacy(services: ServicesDep) -> Response:
    """Whether the microphones are closed, why, and until when."""
    return answer(services.house.privacy.state())


@router.get("/speech", response_model=SpeechState)
def get_speech(services: ServicesDep) -> Response:
    """Whether speech is dropped (setting `privacy.drop_speech`), and how much was: of what the
    box would have kept by itself, by source, today and ever. Never what was said."""
    return answer(services.house.clips.speech.state())


@router.post("/pause", response_model=PrivacyState)
def pause(services: ServicesDep, author: Author, body: NewPause | None = None) -> Response:
    """Close every microphone: nothing is heard, recorded or kept, over a restart too. A second
    pause for the same reason takes the place of the first."""
    wanted = body or NewPause(for_s=None, reason=PRIVACY)
    return answer(services.house.privacy.pause(wanted.reason, wanted.for_s, author))


@router.post("/resume", response_model=PrivacyState)
def resume(services: ServicesDep, author: Author) -> Response:
    """Open the microphones again, whatever they were closed for."""
    return answer(services.house.privacy.resume(author))
