"""What the routes stand on: the daemon's own objects, in one plain record."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated

import anyio
from fastapi import Depends, FastAPI, Request

from appliance import clock
from appliance.api.links import ClipLinks
from appliance.api.streams import Streams
from appliance.audio.playback import Playback
from appliance.care.health import Health
from appliance.logtail import LogTail

if TYPE_CHECKING:
    from appliance.audio.decode import Decoder
    from appliance.care.backups import Backups
    from appliance.care.copies import Copies
    from appliance.care.fingerprints import Fingerprints
    from appliance.care.inspection import Inspection
    from appliance.care.notices import Notices
    from appliance.care.quarantine import Quarantine
    from appliance.care.quiet_hours import QuietHours
    from appliance.care.retention import Retention
    from appliance.care.space import Space
    from appliance.events import EventBus
    from appliance.gate.gate import Gate
    from appliance.gate.shadow import Shadow
    from appliance.hardware.hardware import Hardware
    from appliance.hooks.hooks import Hooks
    from appliance.inbox.table import Inbox
    from appliance.jobs.queue import Queue
    from appliance.jobs.runner import Runner
    from appliance.library.clips import Clips
    from appliance.library.datasets import Datasets
    from appliance.library.labels import Labels
    from appliance.live.detections import Detections
    from appliance.live.listener import Listener
    from appliance.live.rates import Rates
    from appliance.models.deploy import Deployments
    from appliance.models.thresholds import Thresholds
    from appliance.models.versions import Versions
    from appliance.paths import DataFolder
    from appliance.recording.background import Background
    from appliance.recording.history import History
    from appliance.recording.microphones import Microphones
    from appliance.recording.privacy import Privacy
    from appliance.recording.recorder import Recorder
    from appliance.recording.schedule import Schedules
    from appliance.recording.triggered import Triggers
    from appliance.settings import Settings
    from appliance.store.database import Database


@dataclass(eq=False)
class Services:
    """Built once by the daemon, which calls `close()` before it stops its servers: they would
    wait for event streams that never end by themselves. `token` opens the TCP listener."""

    settings: Settings
    folder: DataFolder
    db: Database
    bus: EventBus
    decoder: Decoder
    clips: Clips
    labels: Labels
    datasets: Datasets
    microphones: Microphones
    privacy: Privacy
    quiet_hours: QuietHours
    recorder: Recorder
    triggers: Triggers
    schedules: Schedules
    background: Background
    queue: Queue
    runner: Runner
    versions: Versions
    deployments: Deployments
    thresholds: Thresholds
    rates: Rates
    detections: Detections
    listener: Listener
    hardware: Hardware
    hooks: Hooks
    inbox: Inbox
    history: History
    gate: Gate
    shadow: Shadow
    space: Space
    retention: Retention
    backups: Backups
    copies: Copies
    fingerprints: Fingerprints
    quarantine: Quarantine
    notices: Notices
    inspection: Inspection
    token: str
    playback: Playback = field(init=False)
    links: ClipLinks = field(default_factory=ClipLinks)
    log: LogTail = field(default_factory=LogTail)
    on_command_line: tuple[str, ...] = ()
    """Settings that options of `earmark serve` set."""
    port: int = 0
    """Of the TCP listener, once it is known: the setting may be 0."""
    streams: Streams = field(default_factory=Streams)
    started: float = field(default_factory=clock.seconds)
    routes: FastAPI | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        # As last read from the file and the environment; `settings` is what is at work.
        self.settings_read = self.settings
        self.playback = Playback(speaker=self.settings.audio.speaker)
        # As many threads as there are decoding children: the files of all requests take turns.
        self.decoding = ThreadPoolExecutor(self.settings.audio.decode_workers, "decoding")
        # Requests that wait for their files must not take every thread from the others.
        self.finishing = anyio.CapacityLimiter(4)
        self.health = Health(
            self.settings,
            self.folder,
            self.db,
            self.microphones,
            self.privacy,
            self.deployments,
            self.listener,
            self.hardware,
            self.queue,
            self.clips.speech,
            self.space,
            self.notices,
        )

    def close(self) -> None:
        """End the event streams, and take no more files to decode."""
        self.streams.close()
        self.playback.stop()
        self.decoding.shutdown(wait=False, cancel_futures=True)


async def services_of(request: Request) -> Services:
    services: Services = request.app.state.services
    return services


async def author_of(request: Request) -> str:
    """Who does this, for the histories: the X-Author header, else how they came in."""
    author: str = request.state.author
    return author


ServicesDep = Annotated[Services, Depends(services_of)]
Author = Annotated[str, Depends(author_of)]
