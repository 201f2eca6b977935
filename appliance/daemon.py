"""The daemon: starts the parts of the house, serves the API, and stops them in reverse.

It starts step by step and stops in reverse; each stop has a time budget, so that one part that
hangs cannot keep the others from storing what they hold. It imports neither torch nor the
training code: trainings are children.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import logging
import os
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from pathlib import Path

from appliance import logs, settings_reading
from appliance.api.services import Services
from appliance.api.serving import serve_http
from appliance.api.sockets import tcp_socket, unix_socket
from appliance.api.token import read_or_make_token
from appliance.api.uploads import sweep as sweep_uploads
from appliance.audio.decode import Decoder
from appliance.care.notices import Notices
from appliance.care.recovery import make_whole, say_what_listens
from appliance.errors import Conflict
from appliance.hardware.kit import Kit
from appliance.house import House
from appliance.logtail import LogTail
from appliance.paths import DataFolder
from appliance.settings import Settings
from appliance.store.database import Database

log = logging.getLogger(__name__)

STOP_BUDGET_S = 10.0


def serve(
    data: Path,
    *,
    host: str | None = None,
    port: int | None = None,
    socket: Path | None = None,
    kit: Kit | None = None,
) -> int:
    """Run the daemon on the data folder `data` until SIGTERM or SIGINT; returns the exit status.

    `host`, `port` and `socket` override the settings; `kit` is the board, this computer's unless
    another is given. Raises EarmarkError when it cannot start.
    """
    logs.begin()
    folder = DataFolder(data)
    folder.create()
    settings = settings_reading.load(folder.settings)
    options = tuple(
        name for name, given in (("http.host", host), ("http.port", port)) if given is not None
    )
    if host is not None:
        settings = replace(settings, http=replace(settings.http, host=host))
    if port is not None:
        settings = replace(settings, http=replace(settings.http, port=port))
    with locked(folder), running(folder, settings, options, kit) as services:
        listeners = [
            unix_socket(socket or folder.socket),
            tcp_socket(settings.http.host, settings.http.port),
        ]
        try:
            # The sockets take connections already; what comes now waits for the first turn.
            services.house.hardware.tell("READY=1")
            asyncio.run(serve_http(services, *listeners))
        finally:
            for listener in listeners:
                listener.close()
            (socket or folder.socket).unlink(missing_ok=True)
    log.info("stopped")
    return 0


@contextlib.contextmanager
def locked(folder: DataFolder) -> Generator[None, None, None]:
    """Hold the data folder: a second daemon on it is refused. The kernel frees the lock of a
    daemon that was killed."""
    with folder.lock.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Conflict(
                f"a daemon already runs on {folder.root} (process {file.read().strip() or '?'})",
                "use it (`earmark status`), stop it, or give another folder with --data",
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


@contextlib.contextmanager
def running(
    folder: DataFolder,
    settings: Settings,
    on_command_line: tuple[str, ...] = (),
    kit: Kit | None = None,
    *,
    decoder: Decoder | None = None,
    idle: bool = False,
) -> Generator[Services, None, None]:
    """Build and start every part of the box; stop them in reverse order at the end.

    decoder: one that runs already, and goes on. idle: start no part; for tests of the API, in
    which nothing listens, trains or records until it is asked.
    """
    stops: list[tuple[str, Callable[[], object]]] = []
    try:
        tail = LogTail()
        logging.getLogger().addHandler(tail)
        stops.append(("log", lambda: logging.getLogger().removeHandler(tail)))
        audit = logs.begin_audit(folder.audit)
        stops.append(("audit log", lambda: logs.end(audit)))
        folder.reserve.want(settings.space.reserve_mb * 1_000_000)
        folder.reserve.give()
        notices = Notices(folder)
        lost = make_whole(folder, settings, notices)
        db = Database(folder.database)
        db.make_room = folder.reserve.give
        stops.append(("database", db.close))
        if decoder is None:
            decoder = Decoder(settings.audio.decode_workers)
            decoder.start()
            stops.append(("decoder", decoder.close))
        sweep_uploads(folder)
        house = House(folder, settings, notices, db, decoder, kit)
        stops.append(("engine", house.deployments.close))
        if lost is not None:
            say_what_listens(notices, lost, *house.listening_and_newest())
        for name, part in () if idle else house.parts:
            part.start()
            stops.append((name, part.stop))
        notices.tell(house.bus)
        yield Services(
            house, read_or_make_token(folder.token), log=tail, on_command_line=on_command_line
        )
    finally:
        for name, stop in reversed(stops):
            _stop_within(STOP_BUDGET_S, name, stop)


def _stop_within(seconds: float, name: str, stop: Callable[[], object]) -> None:
    """Call `stop` on a thread and go on after `seconds`, whatever it does."""

    def guarded() -> None:
        try:
            stop()
        except Exception:
            log.exception("stopping %s failed", name)

    thread = threading.Thread(target=guarded, name=f"stop {name}", daemon=True)
    thread.start()
    thread.join(seconds)
    if thread.is_alive():
        log.error("%s did not stop within %.0f s: going on without it", name, seconds)
