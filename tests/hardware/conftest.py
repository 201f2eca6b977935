"""A box on a fake board: real captures of replayed files, real threads, faked edges."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from appliance.events import EventBus
from appliance.hardware.hardware import Hardware
from appliance.hardware.kit import Kit
from appliance.jobs.queue import Queue
from appliance.jobs.runner import Runner
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.library.microphones import MicrophoneRecords
from appliance.live.detections import Detections
from appliance.live.listener import Listener
from appliance.models.deploy import Deployments
from appliance.models.thresholds import Thresholds
from appliance.models.versions import Versions
from appliance.paths import DataFolder
from appliance.recording.history import History
from appliance.recording.microphones import Microphones
from appliance.recording.privacy import Privacy
from appliance.recording.recorder import Recorder
from appliance.settings import AudioSettings, BoardSettings, HistorySettings, Settings
from appliance.store.database import Database
from firmware_hooks.hotplug import FakeHotplug
from firmware_hooks.lines import FakeLines
from firmware_hooks.power_control import FakePower
from firmware_hooks.sensors import FakeSensors
from tests.waiting import until as until  # for those who import it from here

BUTTON, LIGHT = "PAC.06", "PN.01"


class Box:
    """The daemon's parts that a board touches, on fakes that a test drives."""

    def __init__(
        self,
        folder: DataFolder,
        environment: dict[str, str] | None = None,
        hours: float = 0.0,
        **board: Any,
    ) -> None:
        settings = Settings(
            board=BoardSettings(button=BUTTON, light=LIGHT, **board),
            audio=AudioSettings(ring_s=5.0),
            history=HistorySettings(hours=hours),
        )
        self.sensors, self.lines = FakeSensors(), FakeLines()
        self.power, self.plugs = FakePower(), FakeHotplug()
        self.folder = folder
        self.db = Database(folder.database)
        self.bus = EventBus()
        self.clips = Clips(self.db, folder, self.bus)
        versions = Versions(self.db, folder, self.bus)
        self.deployments = Deployments(self.db, folder, versions, self.bus)
        thresholds = Thresholds(self.db, settings)
        self.microphones = Microphones(MicrophoneRecords(self.db), self.bus, settings)
        self.privacy = Privacy(self.db, self.microphones, self.bus)
        self.recorder = Recorder(self.microphones, self.clips, self.bus)
        detections = Detections(self.db, self.clips, self.bus)
        self.listener = Listener(
            self.microphones, self.deployments, detections, thresholds, settings, self.bus
        )
        datasets = Datasets(self.db, folder)
        self.queue = Queue(self.db, folder, datasets, versions, self.bus, settings)
        self.runner = Runner(self.queue, folder, settings)
        self.history = History(self.microphones, self.clips, folder, settings, self.bus)
        self.hardware = Hardware(
            settings.board,
            db=self.db,
            folder=folder,
            bus=self.bus,
            clips=self.clips,
            microphones=self.microphones,
            privacy=self.privacy,
            history=self.history,
            recorder=self.recorder,
            queue=self.queue,
            runner=self.runner,
            deployments=self.deployments,
            listener=self.listener,
            kit=Kit(
                self.sensors,
                self.lines,
                self.power,
                self.plugs,
                environment or {},
                folder.root,
            ),
        )
        self._parts = [
            self.privacy, self.microphones, self.history, self.recorder, self.listener,
            self.hardware,
        ]  # fmt: skip
        for part in self._parts:
            part.start()

    def close(self) -> None:
        for part in reversed(self._parts):
            part.stop()
        self.deployments.close()
        self.db.close()

    def press(self, *held_s: float, pause_s: float = 0.1) -> None:
        """Press the button so often and so long."""
        at = time.monotonic()
        for held in held_s:
            self.lines.inputs[BUTTON].press(at)
            time.sleep(held)
            at += held
            self.lines.inputs[BUTTON].release(at)
            time.sleep(pause_s)
            at += pause_s

    def light(self) -> str:
        return self.hardware.view().light.state


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """Ten minutes that are never silent."""
    file = tmp_path / "sound.wav"
    noise = np.random.default_rng(1).normal(scale=0.1, size=600 * 8000)
    soundfile.write(file, noise, 8000, subtype="PCM_16")
    return file


@pytest.fixture
def box(folder: DataFolder) -> Iterator[Box]:
    made = Box(folder)
    yield made
    made.close()
