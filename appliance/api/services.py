"""What the routes stand on: the house, and what the API alone needs beside it."""

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
    from appliance.house import House


@dataclass(eq=False)
class Services:
    """Built once by the daemon, which calls `close()` before it stops its servers: they would
    wait for event streams that never end by themselves. `token` opens the TCP listener."""

    house: House
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
        house = self.house
        # What is at work, which a reload replaces; and as last read from the file and environment.
        self.settings = self.settings_read = house.settings
        self.playback = Playback(speaker=self.settings.audio.speaker)
        # As many threads as there are decoding children: the files of all requests take turns.
        self.decoding = ThreadPoolExecutor(self.settings.audio.decode_workers, "decoding")
        # Requests that wait for their files must not take every thread from the others.
        self.finishing = anyio.CapacityLimiter(4)
        self.health = Health(
            self.settings,
            house.folder,
            house.db,
            house.microphones,
            house.privacy,
            house.deployments,
            house.listener,
            house.hardware,
            house.queue,
            house.clips.speech,
            house.space,
            house.notices,
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
