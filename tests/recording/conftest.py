"""A box that records: real captures of replayed files, the real library."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.events import EventBus
from appliance.library.clips import Clips
from appliance.library.microphones import MicrophoneRecords
from appliance.paths import DataFolder
from appliance.recording.microphones import Microphones
from appliance.settings import Settings
from appliance.store.database import Database

RATE = 8000


def until(condition: Callable[[], object], what: str, seconds: float = 30.0) -> object:
    """Wait for a thread to get there; only a hang makes this fail."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds:g} s for {what}")
        time.sleep(0.01)
    return found


def counting(frames: int) -> np.ndarray:
    """Samples that say which frame they are, as far as 16 bits go; never silence."""
    return ((np.arange(frames) % 59_999) - 30_000).astype(np.int16)


@pytest.fixture
def counter_file(tmp_path: Path) -> Path:
    """Three minutes of counting samples at 8 kHz."""
    file = tmp_path / "counter.wav"
    soundfile.write(file, counting(180 * RATE), RATE)
    return file


@pytest.fixture
def clips(db: Database, folder: DataFolder, bus: EventBus) -> Clips:
    return Clips(db, folder, bus)


@pytest.fixture
def microphones(db: Database, bus: EventBus) -> Iterator[Microphones]:
    service = Microphones(MicrophoneRecords(db), bus, Settings())
    service.start()
    yield service
    service.stop()
