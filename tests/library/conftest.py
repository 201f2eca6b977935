"""A library in a folder of its own, and sounds that nobody has stored yet."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from appliance.audio.source import Samples
from appliance.events import EventBus
from appliance.library.clip import Clip
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.library.labels import Labels
from appliance.paths import DataFolder
from appliance.store.database import Database

RATE = 8000


@pytest.fixture
def clips(db: Database, folder: DataFolder, bus: EventBus) -> Clips:
    return Clips(db, folder, bus)


@pytest.fixture
def labels(db: Database, bus: EventBus) -> Labels:
    return Labels(db, bus)


@pytest.fixture
def datasets(db: Database, folder: DataFolder) -> Datasets:
    return Datasets(db, folder)


def sound(seed: int, seconds: float = 0.1) -> Samples:
    """Noise that differs from that of every other seed; float32 [n] at RATE."""
    noise = np.random.default_rng(seed).normal(scale=0.1, size=round(seconds * RATE))
    return noise.astype(np.float32)


Add = Callable[..., Clip]


@pytest.fixture
def add(clips: Clips) -> Add:
    """`add("dog", session="a")` stores a new short sound and returns its clip."""
    made = iter(range(1_000_000))

    def adding(label: str | None = None, session: str | None = None, **more: object) -> Clip:
        number = (
            clips.new_session(None, "recording")
            if session is None
            else clips.session_for(session, "recording")
        )
        more = {"source": "recording", "author": "test", **more}
        return clips.add_samples(sound(next(made)), RATE, session=number, label=label, **more)  # type: ignore[arg-type]

    return adding


def files(folder: DataFolder) -> set[str]:
    """The names of all files under clips/, as `ab/<sha>.flac` or `incoming/...`."""
    return {
        str(file.relative_to(folder.clips)) for file in folder.clips.rglob("*") if file.is_file()
    }
