"""The event stream."""

from __future__ import annotations

import difflib
from typing import Annotated

from fastapi import APIRouter, Header, Query
from starlette.responses import Response

from appliance.api.services import ServicesDep
from appliance.api.streams import EventStream
from appliance.errors import InvalidInput
from appliance.events import TOPICS

router = APIRouter(tags=["events"])

_EXAMPLE = 'id: 3fa2c1-17\nevent: detection\ndata: {"at": 1760000000.0, "label": "doorbell"}\n\n'


@router.get(
    "/events",
    response_class=Response,
    responses={
        200: {
            "content": {"text/event-stream": {"example": _EXAMPLE}},
            "description": "server-sent events",
        }
    },
)
async def events(
    services: ServicesDep,
    topics: Annotated[
        str, Query(max_length=200, description=f"some of {', '.join(TOPICS)}; all if empty")
    ] = "",
    last_event_id: Annotated[str | None, Header(max_length=100)] = None,
) -> Response:
    """Everything that happens, as server-sent events: `id`, `event` (the topic), `data` (JSON).

    Send the last id that you saw as `Last-Event-ID` and you are told what you missed, as far as
    it is kept. `spectrum` (four times a second the level of each microphone, and a column of its
    spectrogram) only comes to those who name it. A comment comes every 15 s when nothing happens.
    An event `note` says that events were dropped because they were read too slowly.
    """
    asked = [topic.strip() for topic in topics.split(",") if topic.strip()]
    for topic in asked:
        if topic not in TOPICS:
            close = difflib.get_close_matches(topic, TOPICS, n=1)
            hint = f"did you mean {close[0]!r}? " if close else ""
            raise InvalidInput(
                f"there is no topic {topic[:40]!r}", f"{hint}there are {', '.join(TOPICS)}"
            )
    return EventStream(services.house.bus, services.streams, asked, last_event_id)
