"""Clips: finding, labelling, cutting, deleting."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from starlette.responses import Response

from appliance.api.answers import answer, page
from appliance.api.schemas.base import Id, Page
from appliance.api.schemas.clips import (
    Changed,
    ClipPageQuery,
    ClipQuery,
    Cut,
    Keep,
    Labelled,
    LabelMany,
    LabelOne,
)
from appliance.api.services import Author, Services, ServicesDep
from appliance.errors import InvalidInput, NotFound
from appliance.library.clip import Clip
from appliance.library.filters import ClipFilter
from appliance.library.history import LabelChange
from appliance.library.near_duplicates import NearDuplicate

router = APIRouter(prefix="/clips", tags=["clips"])


@router.get("", response_model=Page[Clip])
def list_clips(query: Annotated[ClipPageQuery, Query()], services: ServicesDep) -> Response:
    """Clips, newest first. A page may hold fewer clips than `limit` and still have a `next`."""
    found = services.house.clips.page(_filter(services, query), query.cursor, query.limit)
    return page(found.items, found.next_cursor)


@router.post("/label", response_model=Labelled)
def label_clips(body: LabelMany, services: ServicesDep, author: Author) -> Response:
    """Label, relabel or (null) unlabel many clips at once, all or none of them."""
    if (body.clips is None) == (body.filter is None):
        raise InvalidInput("name the clips by `clips` or by `filter`", "give exactly one of them")
    if body.filter is not None:
        ids = services.house.clips.ids(_filter(services, body.filter))
    else:
        ids = body.clips or []
    changed = services.house.clips.set_label(ids, body.label, author)
    return answer({"changed": changed, "warnings": services.house.clips.near.contradictions(ids)})


@router.post("/keep", response_model=Changed)
def keep_clips(body: Keep, services: ServicesDep) -> Response:
    """Mark clips that shall stay when room is made, or let them go again; all or none."""
    return answer({"changed": services.house.clips.keeping.set(body.clips, body.keep)})


@router.get("/{id}", response_model=Clip)
def get_clip(id: Id, services: ServicesDep) -> Response:
    """One clip."""
    return answer(services.house.clips.get(id))


@router.delete("/{id}", status_code=204)
def delete_clip(id: Id, services: ServicesDep, author: Author) -> Response:
    """Delete a clip. Refused while a dataset version holds it."""
    services.house.clips.delete(id, author)
    return Response(status_code=204)


@router.put("/{id}/label", response_model=Clip)
def label_clip(id: Id, body: LabelOne, services: ServicesDep, author: Author) -> Response:
    """Label, relabel or (null) unlabel one clip."""
    services.house.clips.set_label([id], body.label, author)
    return answer(services.house.clips.get(id))


@router.get("/{id}/duplicates", response_model=Page[NearDuplicate])
def clip_duplicates(id: Id, services: ServicesDep) -> Response:
    """Clips that are nearly the same sound, the most similar first, with their labels."""
    services.house.clips.get(id)
    return page(services.house.clips.near.of(id))


@router.get("/{id}/history", response_model=Page[LabelChange])
def clip_history(id: Id, services: ServicesDep) -> Response:
    """Every label that the clip had: when, by whom, and why."""
    return page(services.house.clips.history(id))


@router.post("/{id}/cut", status_code=201, response_model=Clip)
def cut_clip(id: Id, body: Cut, services: ServicesDep, author: Author) -> Response:
    """A stretch of a clip as a new clip of the same session."""
    return answer(services.house.clips.cut(id, body.start_s, body.end_s, body.label, author), 201)


def _filter(services: Services, query: ClipQuery) -> ClipFilter:
    session: int | str | None = query.session_id
    if query.session is not None:
        if session is not None:
            raise InvalidInput("a session has one name", "give `session` or `session_id`")
        session = query.session
        # Keys come first, since people type them; but an id is a name too.
        if session.isascii() and session.isdigit() and len(session) < 19:
            try:
                services.house.clips.sessions.find(session)
            except NotFound:
                session = int(session)
    return ClipFilter(
        label=query.label,
        unlabelled=query.unlabelled,
        microphone=query.microphone,
        session=session,
        source=query.source,
        since=query.since,
        until=query.until,
        dataset_version=query.dataset_version,
        text=query.text,
        duplicates=query.duplicates,
    )
