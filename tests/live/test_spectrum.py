"""Levels and spectrogram columns of a real capture, made only while somebody watches."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.events import Event, EventBus
from appliance.library.microphones import MicrophoneRecords
from appliance.live.spectrum import BANDS, STEPS, Spectrum, column
from appliance.recording.microphones import Microphones
from appliance.settings import Settings
from appliance.store.database import Database
from tests.live.conftest import until

RATE = 16_000


def tone(hz: float, seconds: float, amplitude: float = 1.0) -> np.ndarray:
    wave = amplitude * np.sin(2 * np.pi * hz * np.arange(int(seconds * RATE)) / RATE)
    return wave.astype(np.float32)


@pytest.fixture
def microphones(db: Database, bus: EventBus, tmp_path: Path) -> Iterator[Microphones]:
    soundfile.write(tmp_path / "tone.wav", tone(1000.0, 60.0, 0.5), RATE)
    service = Microphones(MicrophoneRecords(db), bus, Settings())
    service.start()
    service.add(f"replay:{tmp_path / 'tone.wav'}?loop=1", "bench")
    yield service
    service.stop()


def test_a_column_shows_pitch_and_loudness() -> None:
    low, high = (np.frombuffer(column(tone(hz, 0.25), RATE), np.uint8) for hz in (300.0, 4000.0))
    assert len(low) == BANDS
    assert low.argmax() < high.argmax()
    # 20 dB less are 40 steps less; nothing at all is 0.
    quiet = np.frombuffer(column(tone(4000.0, 0.25, 0.1), RATE), np.uint8)
    assert int(high.max()) - int(quiet.max()) == pytest.approx(STEPS * 0.2, abs=2)
    assert max(column(np.zeros(4000, np.float32), RATE)) == 0


def test_it_is_made_while_somebody_watches(microphones: Microphones, bus: EventBus) -> None:
    heard: list[Event] = []
    spectrum = Spectrum(microphones, bus)
    spectrum.start()
    bus.subscribe(lambda event: heard.append(event) if event.topic == "spectrum" else None)
    assert not any(thread.name == "spectrum" for thread in threading.enumerate())
    unsubscribe = bus.subscribe(lambda event: None, ["spectrum"])
    until(lambda: any(_columns(heard)), "a column")
    (view,) = microphones.all()
    latest = heard[-1].data["microphones"][view.id]
    assert latest["state"] == "running"
    assert latest["level_dbfs"] == pytest.approx(-9.0, abs=1.0)
    unsubscribe()
    until(
        lambda: all(thread.name != "spectrum" for thread in threading.enumerate()),
        "the end of the thread",
    )
    spectrum.stop()


def _columns(heard: list[Event]) -> list[str]:
    return [each["column"] for event in heard for each in event.data["microphones"].values()]
