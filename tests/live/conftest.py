"""A box that listens: everything but the HTTP API, on a data folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from appliance.events import Event, EventBus
from appliance.library.clips import Clips
from appliance.library.microphones import MicrophoneRecords
from appliance.live.detection import Detection
from appliance.live.detections import Detections
from appliance.live.listener import Listener
from appliance.live.rejections import Rejections
from appliance.models.deploy import Deployments
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.recording.microphones import Microphones
from appliance.settings import Settings
from appliance.store.database import Database
from tests.live.tones import write_version
from tests.waiting import until


class Box:
    """Opened twice on one folder, it is a daemon that was restarted."""

    def __init__(self, folder: DataFolder, settings: Settings | None = None) -> None:
        self.folder = folder
        self.settings = settings or Settings()
        self.db = Database(folder.database)
        self.bus = EventBus()
        self.told: list[Event] = []
        self.bus.subscribe(self.told.append)
        self.clips = Clips(self.db, folder, self.bus)
        self.versions = Versions(self.db, folder, self.bus)
        self.deployments = Deployments(self.db, folder, self.versions, self.bus)
        self.thresholds = Thresholds(self.db, self.settings)
        self.microphones = Microphones(MicrophoneRecords(self.db), self.bus, self.settings)
        self.detections = Detections(self.db, self.clips, self.bus)
        self.listener = Listener(
            self.microphones,
            self.deployments,
            self.detections,
            self.thresholds,
            self.settings,
            self.bus,
            rejections=Rejections(self.db),
        )
        self.deployments.restore()
        self.microphones.start()
        self.listener.start()

    def close(self) -> None:
        self.listener.stop()
        self.microphones.stop()
        self.deployments.close()
        self.db.close()

    def version(self, labels: Mapping[str, float], **given: Any) -> str:
        """Publish a version that hears these tones; returns its name."""
        number = len(self.versions.all())
        result = write_version(self.folder.jobs / f"made{number}" / "result", labels, **given)
        made = self.versions.publish(
            result,
            job=None,
            dataset_version=None,
            parent=None,
            stopped="converged",
            seconds=1.0,
        )
        return made.name

    def deploy(self, labels: Mapping[str, float], **given: Any) -> str:
        name = self.version(labels, **given)
        self.deployments.deploy(name)
        return name

    def replay(self, file: Path, name: str = "yard", options: str = "speed=4") -> str:
        return self.microphones.add(f"replay:{file}?{options}", name).id

    def played(self, name: str = "yard") -> None:
        """Wait for the end of the file, and for what was heard in it to be kept."""
        until(lambda: self.microphones.get(name).status.state == "ended", "the replay to end")
        until(lambda: all(d.clip and d.ended_at for d in self.heard()), "clips and ends")

    def heard(self) -> list[Detection]:
        """Oldest first."""
        return self.detections.page().items[::-1]


@pytest.fixture
def box(folder: DataFolder) -> Iterator[Box]:
    made = Box(folder)
    yield made
    made.close()
