"""Notices: what the box did by itself that a person should know of. Each stays until somebody says
that they have read it, over restarts too.

They lie in a file of their own, `notices.json`: most speak of the database, which may be gone.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from dataclasses import asdict, dataclass
from typing import Any

from appliance.care.check import State
from appliance.errors import NotFound
from appliance.events import EventBus
from appliance.paths import DataFolder, write_durably

log = logging.getLogger(__name__)

MOST = 100


@dataclass(frozen=True)
class Notice:
    """`topic`: what it is about; of one topic the newest stands. `state`: how bad it is. `says` is
    a sentence or more, `advice` what to do. `at`: epoch seconds."""

    id: int
    topic: str
    state: State
    says: str
    advice: str
    at: float
    read_by: str = ""


class Notices:
    """Thread-safe. Topic `notice` on the bus, once there is one (`tell`): a Notice."""

    def __init__(self, folder: DataFolder) -> None:
        self._file = folder.notices
        self._lock = threading.Lock()
        self._bus: EventBus | None = None
        self._untold: list[Notice] = []
        self._all = self._read()

    def tell(self, bus: EventBus) -> None:
        """From now on on this bus; what was given since the start is told at once."""
        with self._lock:
            self._bus, untold = bus, self._untold
            self._untold = []
        for notice in untold:
            bus.publish("notice", asdict(notice))

    def give(self, topic: str, state: State, says: str, advice: str) -> Notice:
        """Add one, instead of an unread one of the same topic. It is said in the log, too, and when
        it cannot be written, it is said there alone."""
        with self._lock:
            number = 1 + max((one.id for one in self._all), default=0)
            notice = Notice(number, topic, state, says, advice, time.time())
            kept = [one for one in self._all if one.topic != topic or one.read_by]
            self._all = [*kept, notice][-MOST:]
            self._save()
            bus = self._bus
            if bus is None:
                self._untold.append(notice)
        level = logging.ERROR if state == "failing" else logging.WARNING
        log.log(level, "%s: %s %s", topic, says, advice)
        if bus is not None:
            bus.publish("notice", asdict(notice))
        return notice

    def all(self) -> list[Notice]:
        """The newest first, those that were read too."""
        return self._all[::-1]

    def unread(self) -> list[Notice]:
        """The newest first."""
        return [notice for notice in self.all() if not notice.read_by]

    def acknowledge(self, author: str, identifier: int | None = None) -> int:
        """Somebody has read this one, or all of them; how many that were. NotFound."""
        with self._lock:
            wanted = [
                one.id for one in self._all if not one.read_by and identifier in (None, one.id)
            ]
            if identifier is not None and all(one.id != identifier for one in self._all):
                raise NotFound(f"there is no notice {identifier}", "`earmark notices` lists them")
            self._all = [
                Notice(**{**asdict(one), "read_by": author or "somebody"})
                if one.id in wanted
                else one
                for one in self._all
            ]
            self._save()
        return len(wanted)

    def _save(self) -> None:
        rows: list[dict[str, Any]] = [asdict(notice) for notice in self._all]
        try:
            write_durably(self._file, json.dumps(rows, indent=1).encode())
        except OSError as error:
            log.error("notices.json cannot be written (%s): they last until a restart", error)

    def _read(self) -> list[Notice]:
        try:
            return [Notice(**row) for row in json.loads(self._file.read_text())]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            log.error("notices.json cannot be read (%s): earlier notices are lost", error)
            return []
