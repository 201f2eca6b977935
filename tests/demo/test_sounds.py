"""The synthesised sounds have the properties that their docstrings state."""

from __future__ import annotations

import itertools

import numpy as np
import numpy.typing as npt
import pytest

from appliance.demo.signals import Samples
from appliance.demo.sounds import EVENTS, doorbell, dripping_tap, smoke_alarm
from appliance.demo.surroundings import BACKGROUNDS, Room

RATE = 48_000
SEEDS = range(12)


def envelope(samples: Samples, frame_s: float = 0.005) -> npt.NDArray[np.floating]:
    frame = int(frame_s * RATE)
    cut = samples[: len(samples) // frame * frame].reshape(-1, frame)
    return np.sqrt(np.mean(cut**2, axis=1))


def bursts(
    samples: Samples, share: float = 0.2, frame_s: float = 0.005
) -> list[tuple[float, float]]:
    """From when to when, in seconds, the sound is above `share` of its loudest moment."""
    level = envelope(samples, frame_s)
    loud = np.concatenate([[False], level > share * level.max(), [False]])
    edges = np.flatnonzero(np.diff(loud.astype(int))) * frame_s
    return list(zip(edges[::2], edges[1::2], strict=True))


def pitch(samples: Samples, low: float = 50.0, high: float = 12_000.0) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples)), 1 << 17))
    frequency = np.fft.rfftfreq(1 << 17, 1 / RATE)
    inside = (frequency >= low) & (frequency <= high)
    return float(frequency[inside][np.argmax(spectrum[inside])])


@pytest.mark.parametrize("label", EVENTS)
def test_each_sound_is_clean_short_and_drawn_anew(label: str) -> None:
    takes = [EVENTS[label](np.random.default_rng(seed), RATE) for seed in SEEDS]
    again = EVENTS[label](np.random.default_rng(SEEDS[0]), RATE)
    np.testing.assert_array_equal(takes[0], again)
    for take in takes:
        assert take.dtype == np.float32
        assert np.isfinite(take).all()
        assert np.max(np.abs(take)) == pytest.approx(1, abs=1e-6)
        assert abs(float(np.mean(take))) < 0.02
        assert 0.4 < len(take) / RATE < 5.5
        power = np.abs(np.fft.rfft(take)) ** 2
        above = np.fft.rfftfreq(len(take), 1 / RATE) > 18_000
        assert power[above].sum() < 0.01 * power.sum()
    for one, other in itertools.pairwise(takes):
        shared = min(len(one), len(other))
        likeness = np.corrcoef(one[:shared], other[:shared])[0, 1]
        assert abs(likeness) < 0.5


@pytest.mark.parametrize("seed", SEEDS)
def test_smoke_alarm_keeps_the_temporal_three_pattern(seed: int) -> None:
    alarm = smoke_alarm(np.random.default_rng(seed), RATE)
    beeps = bursts(alarm)
    assert len(beeps) == 3
    for start, end in beeps:
        assert 0.44 <= end - start <= 0.56
        assert 2800 <= pitch(alarm[int(start * RATE) : int(end * RATE)]) <= 3450
    for (_, end), (start, _) in itertools.pairwise(beeps):
        assert 0.44 <= start - end <= 0.56


def test_doorbell_has_two_tones_the_second_lower_by_a_musical_interval() -> None:
    for seed in SEEDS:
        bell = doorbell(np.random.default_rng(seed), RATE)
        first = pitch(bell[: int(0.35 * RATE)], 400, 1000)
        second = pitch(bell[int(1.4 * RATE) :], 400, 1000)
        assert min(abs(second / first - ratio) for ratio in (4 / 5, 5 / 6, 3 / 4)) < 0.02
        # Partials of a free bar, so no harmonics: nothing at twice the pitch.
        tone = bell[: int(0.35 * RATE)]
        overtone = pitch(tone, first * 1.5, first * 4)
        assert overtone / first == pytest.approx(2.756, rel=0.03)


def test_door_knock_is_a_few_dull_strokes_that_die_away_at_once() -> None:
    for seed in SEEDS:
        knock = EVENTS["door knock"](np.random.default_rng(seed), RATE)
        # Low modes beat with one another: what follows within a tenth is the same stroke.
        starts = [0.0]
        for start, _ in bursts(knock, 0.3, 0.01):
            if start - starts[-1] > 0.1:
                starts.append(start)
        assert 3 <= len(starts) <= 5
        assert all(0.13 < gap < 0.4 for gap in np.diff(starts))
        power = np.abs(np.fft.rfft(knock)) ** 2
        low = np.fft.rfftfreq(len(knock), 1 / RATE) < 2500
        assert power[low].sum() > 0.9 * power.sum()


def test_drops_ring_at_minnaerts_frequency_and_rise() -> None:
    rises = []
    for seed in SEEDS:
        tap = dripping_tap(np.random.default_rng(seed), RATE)
        starts = [start for start, _ in bursts(tap, 0.1, 0.01)]
        assert len(starts) >= 4
        # Bubbles of 1.2 to 4.8 mm (the drawn radius +- 15 %) ring at 3/r.
        assert 3 / 0.0049 < pitch(tap) < 1.6 * 3 / 0.0011
        loudest = int(np.argmax(envelope(tap, 0.01)) * 0.01 * RATE)
        rises.append(
            pitch(tap[loudest + 1400 : loudest + 2800], 300, 6000)
            / pitch(tap[max(loudest - 200, 0) : loudest + 700], 300, 6000)
        )
    assert np.median(rises) > 1.02


def test_dog_bark_is_voiced_with_harmonics_of_a_pitch_that_moves() -> None:
    for seed in SEEDS:
        bark = EVENTS["dog bark"](np.random.default_rng(seed), RATE)
        assert 2 <= len(bursts(bark, 0.25, 0.02)) <= 4
        loudest = int(np.argmax(envelope(bark, 0.02)) * 0.02 * RATE)
        piece = bark[loudest : loudest + 1000]
        echo = np.correlate(piece, piece, "full")[len(piece) :] / np.sum(piece**2)
        # A period of 1/840 to 1/240 s: the drawn pitch and its contour.
        assert echo[RATE // 900 : RATE // 230].max() > 0.3


@pytest.mark.parametrize("kind", BACKGROUNDS)
def test_backgrounds_go_on_at_one_level(kind: str) -> None:
    samples = BACKGROUNDS[kind](np.random.default_rng(3), 6 * RATE, RATE)
    assert len(samples) == 6 * RATE
    level = envelope(samples, 0.5)
    assert np.all(level > 0.6)
    assert np.all(level < 1.6)


def test_room_adds_a_tail_that_falls_by_60_db() -> None:
    rng = np.random.default_rng(5)
    click = np.zeros(10, np.float32)
    click[0] = 1
    for reverberation_s in (0.2, 0.6):
        response = Room(reverberation_s, -8.0, 5000.0).place(click, rng, RATE)
        energy = np.cumsum(response[::-1] ** 2)[::-1]  # Schroeder's backward integral
        tail = energy[int(0.04 * RATE) :]
        fallen = int(np.argmax(tail < tail[0] / 100)) / RATE  # by 20 dB
        assert fallen == pytest.approx(reverberation_s / 3, rel=0.25)
