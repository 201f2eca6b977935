"""Hearing a clip: on the box's speaker, or in a browser elsewhere by a link that soon ends."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import FileResponse, Response

from appliance.api.answers import answer
from appliance.api.links import PREFIX, VALID_S
from appliance.api.schemas.base import Id
from appliance.api.schemas.clips import Stretch
from appliance.api.services import ServicesDep
from appliance.errors import InvalidInput, NotFound

router = APIRouter(tags=["clips"])
open_router = APIRouter(tags=["clips"])


class Link(BaseModel):
    """`url` is what a browser on the box would open. `tunnel` makes that address reachable from
    elsewhere; put the name that you log in with in its place."""

    url: str
    path: str
    valid_s: int
    tunnel: str


@router.post("/clips/{id}/link", status_code=201, response_model=Link)
def link_clip(id: Id, services: ServicesDep) -> Response:
    """A link to the sound of this clip alone, good for five minutes, that needs no token."""
    clip = services.house.clips.get(id)
    path = services.links.make(clip.id)
    port = services.port or services.settings.http.port
    return answer(
        {
            "url": f"http://127.0.0.1:{port}{path}",
            "path": path,
            "valid_s": VALID_S,
            "tunnel": f"ssh -L {port}:127.0.0.1:{port} USER@BOX",
        },
        201,
    )


@router.post("/clips/{id}/play", status_code=204)
def play_clip(id: Id, services: ServicesDep, body: Stretch | None = None) -> Response:
    """Play the clip, or a stretch of it, on the box's own speaker (see the setting
    `audio.speaker`). What plays already ends."""
    clip = services.house.clips.get(id)
    stretch = body or Stretch(start_s=0.0, end_s=None)
    end_s = clip.duration_s if stretch.end_s is None else min(stretch.end_s, clip.duration_s)
    if stretch.start_s >= end_s:
        raise InvalidInput(
            f"nothing lies between {stretch.start_s:g} and {end_s:g} s of clip {id}",
            f"the clip is {clip.duration_s:.2f} s long; `end_s` is behind `start_s`",
        )
    path = services.house.clips.path(clip)
    if not path.is_file():
        raise NotFound(
            f"the sound of clip {id} is missing on disk", "restore it from a backup, or delete it"
        )
    services.playback.play(path, stretch.start_s, stretch.end_s)
    return Response(status_code=204)


@router.delete("/playback", status_code=204)
def stop_playing(services: ServicesDep) -> Response:
    """Be silent."""
    services.playback.stop()
    return Response(status_code=204)


@open_router.get(
    PREFIX + "{ticket}",
    response_class=FileResponse,
    responses={200: {"content": {"audio/flac": {}}, "description": "FLAC"}},
)
def hear_clip(ticket: str, services: ServicesDep) -> Response:
    """The sound that a link opens. The link itself is the key: no token is asked for."""
    # Access has looked at it already; here it tells which clip, on the unix socket too.
    identifier = services.links.clip_of(ticket)
    clip = services.house.clips.get(identifier)
    path = services.house.clips.path(clip)
    if not path.is_file():
        raise NotFound(f"the sound of clip {identifier} is missing on disk")
    return FileResponse(
        path,
        media_type="audio/flac",
        headers={"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"},
        filename=f"clip-{identifier}.flac",
        content_disposition_type="inline",
    )
