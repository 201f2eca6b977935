"""Sounds in: files to clips."""

from __future__ import annotations

import anyio
from fastapi import APIRouter, Request
from starlette.responses import Response

from appliance.api.answers import answer
from appliance.api.ingest import Import
from appliance.api.openapi import multipart
from appliance.api.problems import respond
from appliance.api.schemas.clips import Known, KnownAnswer, UploadAnswer
from appliance.api.services import Author, ServicesDep
from appliance.api.uploads import received

router = APIRouter(prefix="/clips", tags=["clips"])


@router.post(
    "",
    status_code=201,
    response_model=UploadAnswer,
    openapi_extra=multipart(
        {
            "label": ("string", "dog", "the label of every file; it is created if it is new"),
            "session": ("string", "walk-1", "the session of every file; else each has its own"),
            "session_kind": ("string", "import", "what made the session"),
            "split": ("number", 60, "seconds a clip at most; comes before the files"),
            "extra": ("string", '{"speaker": "theo"}', "JSON object kept with every clip"),
            "items": (
                "string",
                '[{"filename": "a.wav", "label": "dog", "session": "s1", "extra": {}}]',
                "JSON list with one entry a file, in their order, where files differ",
            ),
        }
    ),
)
async def upload_clips(request: Request, services: ServicesDep, author: Author) -> Response:
    """Import up to 64 files: WAV, FLAC, OGG or MP3 of any rate.

    Longer files become consecutive clips of one session. A file that is there already is not
    stored twice. A bad file is reported in its result and stops none of the others; if it is
    the only one, the answer is its problem.
    """
    work = Import(services, author)
    cap = services.settings.http.max_upload_mb * 1_000_000
    async with received(request, services.house.folder, cap, work) as form:
        results = await anyio.to_thread.run_sync(work.finish, form, limiter=services.finishing)
    if len(results) == 1 and results[0].error is not None and not results[0].clips:
        return respond(results[0].error.model_dump(exclude_none=True))
    return answer({"results": results}, 201)


@router.post("/known", response_model=KnownAnswer)
def known_files(body: Known, services: ServicesDep) -> Response:
    """Which files were imported before, by the SHA-256 of their bytes: an import that is run
    again sends only what is missing."""
    known = {}
    for sha256 in dict.fromkeys(body.sha256):
        ids = services.house.clips.known_upload(sha256, body.split)
        if ids is not None:
            known[sha256] = ids
    return answer({"known": known})
