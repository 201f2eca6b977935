"""A covered microphone and a turned gain are told from nights, lorries and sounds."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import soxr

from appliance.audio.source import Samples
from appliance.audio.spectrum import BANDS, band_levels, quiet_bands, usual_bands
from appliance.live.drift import MOVED, STEPS, UNKNOWN, USUAL, Drift, Usual

RATE = 16_000
Change = Callable[[Samples], Samples]


def room(seconds: float, seed: int) -> Samples:
    """A room's noise, stronger at low frequencies."""
    white = np.random.default_rng(seed).standard_normal(int(seconds * RATE))
    spectrum = np.fft.rfft(white) / np.sqrt(10 + np.arange(len(white) // 2 + 1))
    noise = np.fft.irfft(spectrum, len(white))
    return (0.003 * noise / noise.std()).astype(np.float32)


@pytest.fixture(scope="module")
def usual() -> Usual:
    clips = [quiet_bands(band_levels(room(3.0, seed), RATE)) for seed in range(10)]
    bands, spread = usual_bands(clips)
    card = {"microphones": {"m": {"bands_db": bands, "spread_db": spread, "clips": 10}}}
    found = Usual.of_card(card, "m")
    assert found is not None
    return found


def listen(drift: Drift, change: Change = lambda sound: sound, minutes: int = STEPS) -> list[bool]:
    piece = room(20.0, 99)
    return [drift.push(change(piece)) for _ in range(3 * minutes)]


def covered(sound: Samples) -> Samples:
    """A cloth takes the high frequencies."""
    low = soxr.resample(soxr.resample(sound, RATE, 3000), 3000, RATE)
    return (low + 0.02 * sound[: len(low)]).astype(np.float32)


def barking(sound: Samples) -> Samples:
    """Loud for a third of the time."""
    louder = sound.copy()
    louder[: len(sound) // 3] *= 100
    return louder


def test_the_same_room_is_usual_also_while_something_sounds(usual: Usual) -> None:
    drift = Drift(usual, RATE)
    assert not any(listen(drift) + listen(drift, barking))
    assert drift.state.state == USUAL
    assert drift.state.level_db == pytest.approx(0, abs=2)


@pytest.mark.parametrize(
    ("change", "advice"),
    [
        (covered, "covered"),
        (lambda sound: sound / 10, "dB quieter"),
        (lambda sound: sound * 10, "dB louder"),
    ],
)
def test_a_moved_microphone_is_told_once_and_when_it_is_back(
    usual: Usual, change: Change, advice: str
) -> None:
    drift = Drift(usual, RATE)
    listen(drift)
    assert sum(listen(drift, change)) == 1
    assert drift.state.state == MOVED
    assert advice in drift.state.advice
    assert sum(listen(drift)) == 1
    assert (drift.state.state, drift.state.advice) == (USUAL, "")


def test_a_lorry_is_no_drift(usual: Usual) -> None:
    drift = Drift(usual, RATE)
    listen(drift)
    assert not any(listen(drift, lambda sound: sound * 30, minutes=3) + listen(drift))


def test_a_card_without_this_microphone_says_nothing() -> None:
    bad = [0.0] * (BANDS - 1)
    for card in (
        {},
        {"microphones": []},
        {"microphones": {"m": {"bands_db": bad, "spread_db": 1, "clips": 9}}},
        {"microphones": {"m": {"bands_db": [float("nan")] * BANDS, "spread_db": 1, "clips": 9}}},
        {"microphones": {"m": {"bands_db": "loud", "spread_db": 1, "clips": 9}}},
    ):
        assert Usual.of_card(card, "m") is None
    drift = Drift(None, RATE)
    assert not any(listen(drift, minutes=1))
    assert drift.state.state == UNKNOWN
