"""What is behind a clip: its sound and its picture."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import FileResponse, Response

from appliance.api.answers import answer
from appliance.api.outlines import Outline, Outlines
from appliance.api.schemas.base import Id
from appliance.api.services import ServicesDep
from appliance.api.spectrogram import Pictures
from appliance.errors import NotFound

router = APIRouter(prefix="/clips", tags=["clips"])

# A clip's sound never changes, so whoever has it need not ask again.
_FOREVER = "private, max-age=31536000, immutable"
_pictures = Pictures()
_outlines = Outlines()


@router.get(
    "/{id}/audio",
    response_class=FileResponse,
    responses={
        200: {"content": {"audio/flac": {}}, "description": "FLAC"},
        206: {"content": {"audio/flac": {}}, "description": "the range that was asked for"},
    },
)
def clip_audio(id: Id, services: ServicesDep) -> Response:
    """The sound as FLAC, mono, 16 bits. Understands Range."""
    clip = services.house.clips.get(id)
    path = services.house.clips.path(clip)
    if not path.is_file():
        raise NotFound(
            f"the sound of clip {id} is missing on disk", "restore it from a backup, or delete it"
        )
    return FileResponse(
        path,
        media_type="audio/flac",
        headers={"Cache-Control": _FOREVER},
        filename=f"clip-{id}.flac",
        content_disposition_type="inline",
    )


@router.get(
    "/{id}/spectrogram.png",
    response_class=Response,
    responses={200: {"content": {"image/png": {}}, "description": "PNG"}},
)
def clip_spectrogram(
    id: Id,
    services: ServicesDep,
    width: Annotated[int, Query(ge=16, le=2000, description="pixels")] = 800,
    height: Annotated[int, Query(ge=16, le=600, description="pixels")] = 256,
) -> Response:
    """Time to the right, pitch upwards (mel scale), louder is brighter; 80 dB of range."""
    clip = services.house.clips.get(id)
    content = _pictures.of(clip.sha256, services.house.clips.path(clip), width, height)
    return Response(content, media_type="image/png", headers={"Cache-Control": _FOREVER})


@router.get("/{id}/outline", response_model=Outline)
def clip_outline(
    id: Id,
    services: ServicesDep,
    columns: Annotated[int, Query(ge=8, le=400, description="steps in time")] = 72,
    rows: Annotated[int, Query(ge=2, le=64, description="steps in pitch")] = 16,
) -> Response:
    """Spectrogram and waveform as a few numbers, for drawing in a terminal."""
    clip = services.house.clips.get(id)
    return answer(_outlines.of(clip.sha256, services.house.clips.path(clip), columns, rows))
