"""What the events are heard in: rooms that echo, and backgrounds that never stop. Synthetic too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from appliance.demo.signals import (
    Rng,
    Samples,
    add_at,
    convolve,
    decibels,
    ramps,
    seconds,
    shaped_noise,
    sine,
    to_unit,
)


@dataclass(frozen=True)
class Room:
    """A room as an impulse response: the direct sound, a few early reflections, a diffuse tail.

    `reverberation_s` is the time until the tail has fallen by 60 dB, `wet_db` its level against
    the direct sound, `dark_hz` where walls and air begin to swallow the high frequencies.
    """

    reverberation_s: float
    wet_db: float
    dark_hz: float

    @classmethod
    def draw(cls, rng: Rng) -> Room:
        """From a furnished bedroom to a tiled bathroom."""
        return cls(
            float(rng.uniform(0.12, 0.65)),
            float(rng.uniform(-16, -5)),
            float(rng.uniform(2500, 7000)),
        )

    def response(self, rng: Rng, rate: int) -> Samples:
        """J. A. Moorer, "About this reverberation business", Computer Music Journal 3(2), 1979:
        a room's late response is noise under an exponential decay."""
        times = seconds(self.reverberation_s, rate)
        tail = shaped_noise(rng, len(times), rate, lambda f: 1 / (1 + (f / self.dark_hz) ** 2))
        tail *= np.exp(-6.91 * times / self.reverberation_s).astype(np.float32)
        tail[: int(0.008 * rate)] = 0
        tail *= np.float32(decibels(self.wet_db) / np.sqrt(np.sum(tail**2)))
        for _ in range(5):
            delay_s = rng.uniform(0.003, 0.03)
            tail[int(delay_s * rate)] += rng.uniform(-0.3, 0.3) * decibels(self.wet_db + 6)
        tail[0] = 1.0
        return tail

    def place(self, dry: Samples, rng: Rng, rate: int) -> Samples:
        """`dry` as it sounds in this room; longer by the reverberation time."""
        return convolve(dry, self.response(rng, rate))


def quiet_room(rng: Rng, count: int, rate: int) -> Samples:
    """What is left when nothing happens: noise that falls by 2 to 5 dB an octave, without the
    lowest octaves, which small microphones leave out."""
    slope = rng.uniform(0.3, 0.8)
    return shaped_noise(rng, count, rate, lambda f: f / (f + 120) * (f + 30) ** -slope)


def mains_hum(rng: Rng, count: int, rate: int) -> Samples:
    """A transformer: multiples of the mains frequency over a little noise."""
    times = np.arange(count) / rate
    mains = float(rng.choice([50.0, 60.0]))
    hum = 0.3 * quiet_room(rng, count, rate)
    for number in (2, 1, 3, 4, 6, 8, 10, 12):
        hum += np.float32(rng.uniform(0.3, 1.0) / number) * sine(mains * number, times)
    return to_unit(hum)


def fan(rng: Rng, count: int, rate: int) -> Samples:
    """A ventilator: broad noise, brighter and darker as the blades pass, and their faint tone."""
    blades = rng.uniform(18, 60)
    cut = rng.uniform(400, 1500)
    times = np.arange(count) / rate
    air = shaped_noise(rng, count, rate, lambda f: 1 / (1 + (f / cut) ** 2))
    air *= 1 + np.float32(rng.uniform(0.1, 0.3)) * sine(float(blades), times)
    return to_unit(air + np.float32(rng.uniform(0.05, 0.2)) * sine(float(blades * 4), times))


def rain(rng: Rng, count: int, rate: int) -> Samples:
    """Rain on a window: hiss, and drops that arrive at random (a Poisson process), each a tick of
    a few milliseconds, much smaller and denser than those of a tap."""
    hiss = shaped_noise(rng, count, rate, lambda f: f / (f + 1500) / (1 + (f / 9000) ** 2))
    ticks = np.zeros(count, np.float32)
    drops = rng.poisson(rng.uniform(60, 200) * count / rate)
    at = rng.integers(0, count, drops)
    np.add.at(ticks, at, rng.exponential(1.0, drops).astype(np.float32))
    kernel = shaped_noise(rng, int(0.004 * rate), rate, lambda f: f / (f + 2500))
    kernel *= ramps(len(kernel), 0, len(kernel))
    return to_unit(hiss + np.float32(0.35) * convolve(ticks, kernel)[:count])


BACKGROUNDS: dict[str, Callable[[Rng, int, int], Samples]] = {
    "fan": fan,
    "mains hum": mains_hum,
    "quiet room": quiet_room,
    "rain": rain,
}


def background(
    rng: Rng, kinds: list[str], count: int, rate: int, overlap_s: float = 3.0
) -> Samples:
    """`count` samples of the backgrounds named, in equal stretches one after the other, each
    fading into the next. RMS about 1."""
    out = np.zeros(count, np.float32)
    overlap = int(overlap_s * rate)
    stretch = -(-count // len(kinds))
    for number, kind in enumerate(kinds):
        length = stretch + overlap
        piece = BACKGROUNDS[kind](rng, length, rate) * np.float32(decibels(rng.uniform(-1, 1)))
        piece *= ramps(length, overlap if number else 0, overlap)
        add_at(out, piece, number * stretch)
    return out
