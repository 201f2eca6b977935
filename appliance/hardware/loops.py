"""Whether the daemon's loops turn: what its watchdog is fed with."""

from __future__ import annotations

import logging

from appliance import clock
from appliance.errors import EarmarkError
from appliance.live.listener import Listener
from appliance.periodic import Periodic
from appliance.recording.microphones import Microphones
from appliance.store.database import Database

log = logging.getLogger(__name__)

PROBE_EVERY_S = 2.0
# A capture's loop turns four times a second, detection's once; a slow disk may hold the database
# for long. What has not turned for this long hangs.
HUNG_S = 60.0


class Loops:
    """`ages` by loop: capture of each microphone, detection, and the database, which a thread
    asks for an empty transaction: it needs the writer's lock and writes nothing."""

    def __init__(self, db: Database, microphones: Microphones, listener: Listener) -> None:
        self._db = db
        self._microphones = microphones
        self._listener = listener
        self._database_ns = clock.monotonic_ns()
        self._periodic = Periodic("database probe", self._probe, PROBE_EVERY_S)
        self.stop = self._periodic.stop

    def start(self) -> None:
        self._database_ns = clock.monotonic_ns()
        self._periodic.start()

    def ages(self) -> dict[str, float]:
        """Seconds since each loop last turned."""
        turned = {f"capture {name}": at for name, at in self._microphones.turned_ns().items()}
        turned["detection"] = self._listener.turned_ns
        turned["database"] = self._database_ns
        now = clock.monotonic_ns()
        return {name: max(0.0, (now - at) / 1e9) for name, at in turned.items()}

    def _probe(self) -> None:
        try:
            with self._db.write():
                pass
        except EarmarkError as error:
            # It answers, if with a no: a full disk is a state, and no reason to restart.
            log.debug("the database refuses: %s", error)
        self._database_ns = clock.monotonic_ns()
