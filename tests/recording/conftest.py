"""A box that records: real captures of replayed files, the real library."""

from __future__ import annotations

from collections.abc import Iterator
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
from tests.waiting import until as until  # for those who import it from here

RATE = 8000


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
