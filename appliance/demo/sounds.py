"""The events of the demo: five kinds of household sounds, each drawn anew from ranges of pitch,
timing and timbre. They are synthetic: physical models reduced to a few lines, dry (no room).

Every recipe is `(rng, rate) -> samples`, with the peak at 1.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from appliance.demo.signals import (
    Rng,
    Samples,
    add_at,
    ramps,
    seconds,
    shaped_noise,
    sine,
    to_peak,
)

Recipe = Callable[[Rng, int], Samples]


def smoke_alarm(rng: Rng, rate: int) -> Samples:
    """One cycle of the temporal-three signal: three beeps of 0.5 s with pauses of 0.5 s.

    ISO 8201 and NFPA 72 ask for 0.5 s +- 10 % on, 0.5 s +- 10 % off, then 1.5 s of pause (here:
    the silence that follows). A piezo disc at about 3.1 kHz, driven by a square wave that its
    resonance has mostly filtered away.
    """
    pitch = rng.uniform(2850, 3400)
    on_s, off_s = rng.uniform(0.46, 0.54), rng.uniform(0.46, 0.54)
    harmonics = (1.0, rng.uniform(0.02, 0.2), rng.uniform(0.05, 0.3))
    times = seconds(on_s, rate)
    # The resonance pulls the pitch a little while the beep builds up.
    frequency = pitch * (1 + rng.uniform(-0.004, 0.004) * np.exp(-times / 0.03))
    beep = np.zeros(len(times), np.float32)
    for number, level in enumerate(harmonics, start=1):
        beep += np.float32(level) * sine(frequency * number, times)
    beep *= ramps(len(beep), int(rng.uniform(0.003, 0.015) * rate), int(0.01 * rate))
    out = np.zeros(round((3 * on_s + 2 * off_s) * rate), np.float32)
    for number in range(3):
        add_at(out, beep, round(number * (on_s + off_s) * rate))
    return to_peak(out)


def door_knock(rng: Rng, rate: int) -> Samples:
    """Three to five knocks: a knuckle strikes a panel, whose modes die away in hundredths of a
    second, the high ones first.

    Modal synthesis: K. van den Doel and D. K. Pai, "The sounds of physical shapes", Presence 7(4),
    1998; P. R. Cook, "Real Sound Synthesis for Interactive Applications", 2002, chapter 4.
    """
    lowest = rng.uniform(85, 210)
    modes = lowest * np.cumprod(np.concatenate([[1.0], rng.uniform(1.3, 1.8, size=8)]))
    levels = rng.uniform(0.4, 1.0, len(modes)) * (modes / lowest) ** -rng.uniform(0.25, 0.6)
    decay_s = rng.uniform(0.03, 0.07) * (modes / lowest) ** -0.6
    interval = rng.uniform(0.16, 0.32)
    times = seconds(0.35, rate)
    count = int(rng.integers(3, 6))
    out = np.zeros(round((count * interval * 1.15 + 0.4) * rate), np.float32)
    at = 0.0
    for _ in range(count):
        # No two knocks hit the same spot: each excites the modes a little differently.
        knock = np.zeros(len(times), np.float32)
        for mode, level, decay in zip(modes, levels, decay_s, strict=True):
            bend = rng.uniform(0.7, 1.3) * level
            knock += np.float32(bend) * sine(float(mode), times) * np.exp(-times / decay)
        click = shaped_noise(rng, int(0.004 * rate), rate, lambda f: 1 / (1 + (f / 2500) ** 2))
        click *= ramps(len(click), 4, len(click) // 2)
        add_at(knock, np.float32(rng.uniform(0.1, 0.3)) * click, 0)
        add_at(out, np.float32(rng.uniform(0.7, 1.0)) * knock, round(at * rate))
        at += interval * rng.uniform(0.9, 1.12)
    return to_peak(out[: round((at + 0.15) * rate)])


def dripping_tap(rng: Rng, rate: int) -> Samples:
    """Four to eight drops falling into water. Each encloses a bubble that rings at Minnaert's
    frequency 3/r and rises in pitch as it nears the surface, with the tick of the impact before.

    K. van den Doel, "Physically based models for liquid sounds", ACM Transactions on Applied
    Perception 2(4), 2005: a sin(2 pi f(t) t) exp(-d t), d = 0.13/r + 0.0072 r^-1.5,
    f(t) = f0 (1 + xi d t).
    """
    radius = rng.uniform(0.0014, 0.0042)
    rise = rng.uniform(0.08, 0.2)
    interval = rng.uniform(0.28, 0.5)
    count = int(rng.integers(4, 9))
    out = np.zeros(round((count * interval * 1.1 + 0.3) * rate), np.float32)
    at = 0.0
    for _ in range(count):
        drop = np.zeros(round(0.2 * rate), np.float32)
        tick = shaped_noise(rng, int(0.002 * rate), rate, lambda f: f / (f + 3000))
        tick *= ramps(len(tick), 2, len(tick) - 2)
        add_at(drop, np.float32(rng.uniform(0.05, 0.15)) * tick, 0)
        start_s = rng.uniform(0.006, 0.02)
        for _ in range(int(rng.integers(1, 3))):
            add_at(
                drop,
                _bubble(rng, radius * rng.uniform(0.85, 1.15), rise, rate),
                round(start_s * rate),
            )
            start_s += rng.uniform(0.015, 0.05)
        add_at(out, np.float32(rng.uniform(0.7, 1.0)) * drop, round(at * rate))
        at += interval * rng.uniform(0.94, 1.06)
    return to_peak(out[: round((at - interval + 0.2) * rate)])


def _bubble(rng: Rng, radius_m: float, rise: float, rate: int) -> Samples:
    damping = 0.13 / radius_m + 0.0072 * radius_m**-1.5
    times = seconds(0.15, rate)
    chirp = 3 / radius_m * (1 + rise * damping * times)
    ring = sine(np.minimum(chirp, 9000.0), times)
    ring *= np.float32(rng.uniform(0.6, 1.0)) * np.exp(-damping * times).astype(np.float32)
    ring *= ramps(len(times), int(0.0015 * rate), 64)
    return ring


def doorbell(rng: Rng, rate: int) -> Samples:
    """Ding-dong: two struck metal bars, the second a third or a fourth lower.

    The partials of a free bar stand at 1 : 2.756 : 5.404 : 8.933, and the high ones die first:
    N. H. Fletcher and T. D. Rossing, "The Physics of Musical Instruments", 1998, chapter 2.
    """
    high = rng.uniform(560, 900)
    interval = float(rng.choice([4 / 5, 5 / 6, 3 / 4]))
    gap_s, ring_s = rng.uniform(0.4, 0.75), rng.uniform(0.45, 0.9)
    brightness = rng.uniform(0.5, 1.2)
    out = np.zeros(round((gap_s + 3.2 * ring_s) * rate), np.float32)
    for number, pitch in enumerate((high, high * interval)):
        bar = _bar(rng, pitch, ring_s * (1 + 0.2 * number), brightness, rate)
        add_at(out, bar, round(number * gap_s * rate))
    out *= ramps(len(out), 0, int(0.2 * rate))
    return to_peak(out)


def _bar(rng: Rng, pitch: float, ring_s: float, brightness: float, rate: int) -> Samples:
    times = seconds(4 * ring_s, rate)
    tone = np.zeros(len(times), np.float32)
    for ratio, level in ((1.0, 1.0), (2.756, 0.4), (5.404, 0.2), (8.933, 0.08)):
        detuned = pitch * ratio * rng.uniform(0.995, 1.005)
        decay = ring_s / ratio
        tone += (level * brightness if ratio > 1 else level) * (
            sine(float(detuned), times) * np.exp(-times / decay)
        ).astype(np.float32)
    return tone * ramps(len(tone), int(0.002 * rate), 0)


def dog_bark(rng: Rng, rate: int) -> Samples:
    """Two to four barks: a voice whose pitch rises and falls within a fifth of a second, through
    the two lowest formants of a muzzle, with rough noise in it.

    Source and filter after T. Riede and W. T. Fitch, "Vocal tract length and acoustics of
    vocalization in the domestic dog", Journal of Experimental Biology 202, 1999; the share of
    noise after T. Riede and others, "The harmonic-to-noise ratio applied to dog barks", Journal
    of the Acoustical Society of America 110, 2001.
    """
    pitch = rng.uniform(330, 700)
    formants = (rng.uniform(700, 1200), rng.uniform(1800, 2800))
    length_s, gap_s = rng.uniform(0.13, 0.24), rng.uniform(0.15, 0.4)
    count = int(rng.integers(2, 5))
    out = np.zeros(round(count * (length_s + gap_s) * 1.25 * rate), np.float32)
    at = 0.0
    for _ in range(count):
        bark = _bark(rng, pitch * rng.uniform(0.93, 1.07), formants, length_s, rate)
        add_at(out, np.float32(rng.uniform(0.75, 1.0)) * bark, round(at * rate))
        at += (length_s + gap_s) * rng.uniform(0.9, 1.2)
    return to_peak(out[: round((at - gap_s + 0.1) * rate)])


def _bark(
    rng: Rng, pitch: float, formants: tuple[float, float], length_s: float, rate: int
) -> Samples:
    times = seconds(length_s * rng.uniform(0.9, 1.1), rate)
    phase = times / times[-1]
    contour = pitch * (0.75 + 0.45 * np.sin(np.pi * phase**0.7))
    # Folds that do not close alike each time: the pitch wanders by a few per cent.
    contour = contour * (1 + 0.03 * shaped_noise(rng, len(times), rate, lambda f: f < 120))
    bark = np.zeros(len(times), np.float32)
    for number in range(1, 16):
        frequency = pitch * number
        gain = sum(
            weight / (1 + ((frequency - formant) / width) ** 2)
            for formant, weight, width in zip(formants, (1.0, 0.6), (300.0, 500.0), strict=True)
        )
        bark += np.float32(gain + 0.25 / number) * sine(contour * number, times)
    rough = shaped_noise(
        rng,
        len(times),
        rate,
        lambda f: sum(1 / (1 + ((f - formant) / 500) ** 2) for formant in formants),
    )
    bark = to_peak(bark)
    bark += np.float32(rng.uniform(0.05, 0.15)) * rough
    bark *= ramps(len(bark), int(0.012 * rate), int(0.6 * len(bark)))
    return bark


EVENTS: dict[str, Recipe] = {
    "dog bark": dog_bark,
    "door knock": door_knock,
    "doorbell": doorbell,
    "dripping tap": dripping_tap,
    "smoke alarm": smoke_alarm,
}
