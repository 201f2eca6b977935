"""Following the daemon's event stream (server-sent events) over broken lines."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from typing import Any

from appliance.errors import EarmarkError

log = logging.getLogger(__name__)

Open = Callable[[Sequence[str], "str | None"], AbstractContextManager[Iterator[str]]]
"""(topics, id of the last event seen) -> the lines of a stream."""

_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 5.0


def follow(
    open_stream: Open, topics: Sequence[str], give_up_after_s: float | None
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield (topic, data); connect again when the line breaks, from where it broke.

    A refusal (`status` 401, 403, 422, ...) is raised at once: it would be refused again.
    """
    last_id: str | None = None
    pause = _FIRST_PAUSE_S
    answered: float | None = None
    while True:
        try:
            with open_stream(topics, last_id) as lines:
                answered, pause = time.monotonic(), _FIRST_PAUSE_S
                for identifier, topic, data in parse(lines):
                    answered = time.monotonic()
                    if identifier:
                        last_id = identifier
                    if topic == "note":
                        log.warning("event stream: %s", data.get("detail", data))
                        continue
                    yield topic, data
        except EarmarkError as error:
            refused = getattr(error, "status", 0) not in (0, 502, 503)
            late = give_up_after_s is not None and (
                answered is None or time.monotonic() - answered > give_up_after_s
            )
            if answered is None or refused or late:
                raise
            log.debug("event stream broken: %s", error)
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_S)


def parse(lines: Iterator[str]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(id, topic, data) of each complete event; comments, such as heartbeats, are left out."""
    identifier = topic = ""
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield identifier, topic or "message", json.loads("\n".join(data))
            identifier = topic = ""
            data = []
            continue
        field, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if field == "id":
            identifier = value
        elif field == "event":
            topic = value
        elif field == "data":
            data.append(value)
