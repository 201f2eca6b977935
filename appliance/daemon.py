"""The daemon: the one place that wires everything together.

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
import secrets
import signal
import socket
import threading
from collections.abc import Callable, Generator, Iterator
from dataclasses import replace
from pathlib import Path

import uvicorn

from appliance import __version__
from appliance import settings as settings_module
from appliance.api.app import create_app
from appliance.api.server import server_config
from appliance.api.services import Services
from appliance.api.uploads import sweep as sweep_uploads
from appliance.audio.decode import Decoder
from appliance.errors import Conflict, InvalidInput, Unavailable
from appliance.events import EventBus
from appliance.jobs.queue import Queue
from appliance.jobs.runner import Runner
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.library.labels import Labels
from appliance.library.microphones import MicrophoneRecords
from appliance.library.schedules import ScheduleRecords
from appliance.live.detections import Detections
from appliance.live.listener import Listener
from appliance.models.deploy import Deployments
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.recording.background import Background
from appliance.recording.microphones import Microphones
from appliance.recording.recorder import Recorder
from appliance.recording.schedule import Schedules
from appliance.recording.triggered import Triggers
from appliance.settings import Settings
from appliance.store.database import Database

log = logging.getLogger(__name__)

STOP_BUDGET_S = 10.0
SOCKET_PATH_LIMIT = 107  # sun_path holds 108 bytes with its closing zero


def serve(
    data: Path, *, host: str | None = None, port: int | None = None, socket: Path | None = None
) -> int:
    """Run the daemon on the data folder `data` until SIGTERM or SIGINT; returns the exit status.

    `host`, `port` and `socket` override the settings. Raises EarmarkError when it cannot start.
    """
    logging.basicConfig(
        level=os.environ.get("EARMARK_LOG", "INFO").upper(),
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    folder = DataFolder(data)
    folder.create()
    settings = settings_module.load(folder.settings)
    if host is not None:
        settings = replace(settings, http=replace(settings.http, host=host))
    if port is not None:
        settings = replace(settings, http=replace(settings.http, port=port))
    with locked(folder), running(folder, settings) as services:
        listeners = [
            _unix_socket(socket or folder.socket),
            _tcp_socket(settings.http.host, settings.http.port),
        ]
        try:
            asyncio.run(_serve_http(services, *listeners))
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
def running(folder: DataFolder, settings: Settings) -> Generator[Services, None, None]:
    """Build and start every part of the box; stop them in reverse order at the end."""
    stops: list[tuple[str, Callable[[], object]]] = []
    try:
        db = Database(folder.database)
        stops.append(("database", db.close))
        bus = EventBus()
        decoder = Decoder(settings.audio.decode_workers)
        decoder.start()
        stops.append(("decoder", decoder.close))

        clips = Clips(db, folder, bus)
        clips.sweep()
        sweep_uploads(folder)
        labels = Labels(db, bus)
        datasets = Datasets(db, folder)
        versions = Versions(db, folder, bus)
        versions.recover()
        thresholds = Thresholds(db, settings)
        bus.subscribe(thresholds.follow)
        deployments = Deployments(db, folder, versions, bus)
        deployments.restore()
        stops.append(("engine", deployments.close))

        microphones = Microphones(MicrophoneRecords(db), bus, settings)
        recorder = Recorder(microphones, clips, bus)
        triggers = Triggers(microphones, clips, bus, settings)
        schedules = Schedules(ScheduleRecords(db), recorder, bus)
        background = Background(microphones, clips, bus)
        detections = Detections(db, clips, bus)
        listener = Listener(microphones, deployments, detections, thresholds, settings, bus)
        queue = Queue(db, folder, datasets, versions, bus, settings)
        runner = Runner(queue, folder, settings, windows_missed=lambda: listener.windows()[1])
        for name, part in (
            ("microphones", microphones),
            ("recorder", recorder),
            ("triggers", triggers),
            ("background", background),
            ("schedules", schedules),
            ("listener", listener),
            ("training", runner),
        ):
            part.start()
            stops.append((name, part.stop))
        yield Services(
            settings=settings,
            folder=folder,
            db=db,
            bus=bus,
            decoder=decoder,
            clips=clips,
            labels=labels,
            datasets=datasets,
            microphones=microphones,
            recorder=recorder,
            triggers=triggers,
            schedules=schedules,
            background=background,
            queue=queue,
            runner=runner,
            versions=versions,
            deployments=deployments,
            thresholds=thresholds,
            detections=detections,
            listener=listener,
            token=read_or_make_token(folder.token),
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


def read_or_make_token(path: Path) -> str:
    """The bearer token of the TCP listener: 256 bits, readable by the owner alone."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    except FileExistsError:
        token = path.read_text().strip()
        if len(token) < 16:
            raise InvalidInput(
                f"the token in {path} is empty or too short",
                "delete the file; a new token is made at the next start",
            ) from None
        path.chmod(0o600)
        return token
    with os.fdopen(descriptor, "w") as file:
        token = secrets.token_urlsafe(32)
        file.write(token + "\n")
        file.flush()
        os.fsync(file.fileno())
    return token


def _unix_socket(path: Path) -> socket.socket:
    if len(os.fsencode(path)) > SOCKET_PATH_LIMIT:
        raise InvalidInput(
            f"the socket's path is over {SOCKET_PATH_LIMIT} bytes: {path}",
            "give a shorter one with --socket, or a data folder with a shorter path",
        )
    path.unlink(missing_ok=True)  # left by a daemon that was killed; the lock says it is gone
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    previous = os.umask(0o117)
    try:
        listener.bind(str(path))
    finally:
        os.umask(previous)
    return listener


def _tcp_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        raise Unavailable(
            f"cannot listen on {host} port {port}: {error.strerror}",
            "give another port with --port, or stop the program that holds this one",
        ) from None
    return listener


class _Server(uvicorn.Server):
    """A uvicorn server that leaves signals to the daemon, which has two of them."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


async def _serve_http(services: Services, unix: socket.socket, tcp: socket.socket) -> None:
    """Serve until a signal: the socket's permission is the key there, the token on TCP."""
    servers = [
        (_Server(server_config(create_app(services, trusted=trusted))), listener)
        for listener, trusted in ((unix, True), (tcp, False))
    ]

    def stop() -> None:
        log.info("stopping")
        services.close()
        for server, _ in servers:
            server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)
    host, port = tcp.getsockname()[:2]
    log.info(
        "earmark %s listens on http://%s:%d and %s, data in %s",
        __version__,
        host,
        port,
        unix.getsockname(),
        services.folder.root,
    )
    await asyncio.gather(*(server.serve(sockets=[listener]) for server, listener in servers))
