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
import threading
from collections.abc import Callable, Generator
from dataclasses import replace
from functools import partial
from pathlib import Path

from appliance import logs, settings_reading
from appliance.api.services import Services
from appliance.api.serving import serve_http
from appliance.api.sockets import tcp_socket, unix_socket
from appliance.api.token import read_or_make_token
from appliance.api.uploads import sweep as sweep_uploads
from appliance.audio.decode import Decoder
from appliance.care import rebuild
from appliance.care.backups import Backups
from appliance.care.clock_set import ClockSet
from appliance.care.copies import Copies
from appliance.care.fingerprints import Fingerprints
from appliance.care.inspection import Inspection
from appliance.care.notices import Notices
from appliance.care.quarantine import Quarantine
from appliance.care.quiet_hours import QuietHours
from appliance.care.recovery import make_whole
from appliance.care.retention import Retention
from appliance.care.space import DETECTION_CLIPS, TRIGGERED, Space
from appliance.errors import Conflict
from appliance.events import EventBus
from appliance.gate.comparisons import Comparisons
from appliance.gate.gate import Gate
from appliance.gate.shadow import Shadow
from appliance.gate.shadow_table import Shadows
from appliance.hardware.hardware import Hardware
from appliance.hardware.kit import Kit
from appliance.hooks.hooks import Hooks
from appliance.inbox.scorer import Scorer
from appliance.inbox.table import Inbox
from appliance.jobs.queue import Queue
from appliance.jobs.runner import Runner
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.library.labels import Labels
from appliance.library.microphones import MicrophoneRecords
from appliance.library.schedules import ScheduleRecords
from appliance.live.courtesy import Courtesy
from appliance.live.detections import Detections
from appliance.live.listener import Listener
from appliance.live.rates import Rates
from appliance.live.rejections import Rejections
from appliance.live.spectrum import Spectrum
from appliance.live.tally import Tally
from appliance.logtail import LogTail
from appliance.models.compiler import Compiler
from appliance.models.deploy import Deployments
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.recording.background import Background
from appliance.recording.daily_background import DailyBackground
from appliance.recording.history import History
from appliance.recording.microphones import Microphones
from appliance.recording.privacy import Privacy
from appliance.recording.recorder import Recorder
from appliance.recording.schedule import Schedules
from appliance.recording.triggered import Triggers
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
            services.hardware.tell("READY=1")
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
        make_whole(folder, settings, notices)
        db = Database(folder.database)
        db.make_room = folder.reserve.give
        stops.append(("database", db.close))
        bus = EventBus()
        if decoder is None:
            decoder = Decoder(settings.audio.decode_workers)
            decoder.start()
            stops.append(("decoder", decoder.close))

        clips = Clips(db, folder, bus)
        clips.speech.switch(settings.privacy.drop_speech)
        clips.sweep()
        sweep_uploads(folder)
        labels = Labels(db, bus)
        datasets = Datasets(db, folder)
        versions = Versions(db, folder, bus)
        versions.recover()
        rebuild.begin(db, folder, clips)
        thresholds = Thresholds(db, settings)
        bus.subscribe(thresholds.follow)
        records = MicrophoneRecords(db)
        compiler = Compiler(folder.engines, microphones=lambda: len(records.all()))
        deployments = Deployments(db, folder, versions, bus, compiler)
        deployments.restore()
        stops.append(("engine", deployments.close))

        microphones = Microphones(records, bus, settings)
        privacy = Privacy(db, microphones, bus)
        recorder = Recorder(microphones, clips, bus)
        triggers = Triggers(microphones, clips, bus, settings)
        schedules = Schedules(ScheduleRecords(db), recorder, bus)
        background = Background(microphones, clips, bus)
        daily = DailyBackground(background, microphones, clips, settings.background.a_day)
        detections = Detections(db, clips, bus)
        tally = Tally(db)
        listener = Listener(
            microphones,
            deployments,
            detections,
            thresholds,
            settings,
            bus,
            tally,
            Rejections(db),
        )
        rates = Rates(db, tally, thresholds, deployments, versions, bus)
        history = History(microphones, clips, folder, settings, bus)
        detections.find_sound = lambda found: history.clip_at(
            found.microphone,
            found.started_at - settings.audio.preroll_s,
            settings.listen.clip_s,
        )
        inbox = Inbox(db)
        gate = Gate(
            Comparisons(db),
            versions,
            deployments,
            datasets,
            clips,
            detections,
            thresholds,
            history,
            folder,
            settings,
            bus,
            lagging=listener.lagging,
        )
        shadow = Shadow(
            Shadows(db),
            versions,
            deployments,
            listener,
            detections,
            inbox,
            thresholds,
            settings,
            bus,
        )
        scorer = Scorer(inbox, clips, deployments, settings, bus, busy=listener.lagging)
        queue = Queue(db, folder, datasets, versions, bus, settings)
        runner = Runner(queue, folder, settings, windows_missed=lambda: listener.windows()[1])
        courtesy = Courtesy(
            bus,
            partial(runner.pause, by="listening"),
            partial(runner.resume, by="listening"),
        )
        space = Space(folder.root, settings.space, bus, reserve=folder.reserve)
        history.missing = space.missing
        listener.keep_no_clips_while(partial(space.sheds, DETECTION_CLIPS))
        triggers.no_room = partial(space.sheds, TRIGGERED)
        quiet_hours = QuietHours(privacy, settings.privacy.quiet_hours)
        fingerprints = Fingerprints(clips, bus, listener.lagging)
        backups = Backups(folder, settings, bus)
        copies = Copies(folder, settings, space, notices)
        quarantine = Quarantine(folder)
        inspection = Inspection(
            db,
            clips,
            datasets,
            folder,
            settings.care,
            quarantine=quarantine,
            notices=notices,
            backup_places=backups.places,
        )
        retention = Retention(db, clips, folder, settings.retention, bus, notices)
        hooks = Hooks(folder, settings.hooks, bus)
        hardware = Hardware(
            settings.board,
            db=db,
            folder=folder,
            bus=bus,
            clips=clips,
            microphones=microphones,
            privacy=privacy,
            history=history,
            recorder=recorder,
            queue=queue,
            runner=runner,
            deployments=deployments,
            listener=listener,
            low_space=lambda: space.low() or bool(notices.unread()),
            kit=kit,
        )
        parts = (
            ("hooks", hooks),
            ("space", space),
            ("privacy", privacy),
            ("quiet hours", quiet_hours),
            ("microphones", microphones),
            ("history", history),
            ("recorder", recorder),
            ("triggers", triggers),
            ("background", background),
            ("daily background", daily),
            ("schedules", schedules),
            ("rates", rates),
            ("listener", listener),
            ("spectrum", Spectrum(microphones, bus)),
            ("training", runner),
            ("inbox", scorer),
            ("hardware", hardware),
            ("gate", gate),
            ("shadow", shadow),
            ("courtesy", courtesy),
            ("retention", retention),
            ("fingerprints", fingerprints),
            ("clock", ClockSet(db)),
            ("inspection", inspection),
            ("copies", copies),
        )
        for name, part in () if idle else parts:
            part.start()
            stops.append((name, part.stop))
        notices.tell(bus)
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
            privacy=privacy,
            quiet_hours=quiet_hours,
            recorder=recorder,
            triggers=triggers,
            schedules=schedules,
            background=background,
            queue=queue,
            runner=runner,
            versions=versions,
            deployments=deployments,
            thresholds=thresholds,
            rates=rates,
            detections=detections,
            listener=listener,
            hardware=hardware,
            hooks=hooks,
            inbox=inbox,
            history=history,
            gate=gate,
            shadow=shadow,
            space=space,
            retention=retention,
            backups=backups,
            copies=copies,
            fingerprints=fingerprints,
            quarantine=quarantine,
            notices=notices,
            inspection=inspection,
            token=read_or_make_token(folder.token),
            log=tail,
            on_command_line=on_command_line,
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
