"""Where a sound begins is found by its loudness, and guessed honestly where that says nothing."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.live.onset import onset_before_end

RATE = 16_000


def window(seconds: float, *sounds: tuple[float, float]) -> np.ndarray:
    """Quiet noise with louder noise from `start` to `end` seconds."""
    rng = np.random.default_rng(2)
    samples = 0.002 * rng.standard_normal(round(seconds * RATE))
    for start, end in sounds:
        samples[round(start * RATE) : round(end * RATE)] *= 100
    return samples.astype(np.float32)


@pytest.mark.parametrize("start", [1.3, 1.45, 1.6, 1.75])
def test_a_rise_is_found(start: float) -> None:
    """The window ends at 2.0; the first that heard the sound ended at 1.9, one hop of 0.3 s."""
    before = onset_before_end(window(2.0, (start, 1.95)), RATE, risen_s=0.1, hop_s=0.3)
    assert 2.0 - before == pytest.approx(start, abs=0.03)


def test_a_sound_that_goes_on_from_earlier_is_followed_back() -> None:
    before = onset_before_end(window(2.0, (0.5, 2.0)), RATE, risen_s=0.1, hop_s=0.3)
    assert 2.0 - before == pytest.approx(0.5, abs=0.03)


def test_short_pauses_belong_to_the_sound() -> None:
    sounds = [(0.9 + 0.15 * i, 1.0 + 0.15 * i) for i in range(6)]
    before = onset_before_end(window(2.0, *sounds), RATE, risen_s=0.1, hop_s=0.3)
    assert 2.0 - before == pytest.approx(0.9, abs=0.03)


def test_an_earlier_sound_apart_is_another() -> None:
    before = onset_before_end(window(2.0, (0.2, 0.4), (1.5, 1.9)), RATE, risen_s=0.1, hop_s=0.3)
    assert 2.0 - before == pytest.approx(1.5, abs=0.03)


def test_without_contrast_it_is_one_hop_before_the_rise() -> None:
    steady = window(2.0)
    assert onset_before_end(steady, RATE, risen_s=0.6, hop_s=0.3) == pytest.approx(0.9)
    assert onset_before_end(steady, RATE, risen_s=3.0, hop_s=0.3) == pytest.approx(3.3)
    assert onset_before_end(np.zeros(RATE, np.float32), RATE, 0.0, 0.3) == pytest.approx(0.3)
