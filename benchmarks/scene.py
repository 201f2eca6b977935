"""A long stream mixed from real recordings, with what sounds in it written down.

Known and unknown sounds of ESC-10 over background of ESC-10 (rain, sea waves, crackling fire) and
rooms (shaped noise), all from recordings that were not trained on, at several signal-to-noise
ratios.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray
from training_job import Recording, as_flac, data_folder

from appliance.audio.resample import resample

RATE = 16_000
BACKGROUND = "background"
BACKGROUND_CLASSES = ("Rain", "Sea waves", "Fire crackling")
ROOMS = 8  # rooms a fold
ROOM_S = 5.0
LEVEL = 0.01  # root mean square of the background
FADE_S = 0.5
RAMP_S = 0.02
SNR_DB = (25.0, 15.0, 10.0, 5.0)
# Of a clip, what is within this of its loudest 50 ms belongs to its sound.
SOUND_RANGE_DB = 35.0
STEP_S = 0.05

Signal = NDArray[np.float32]


@dataclass(frozen=True)
class Played:
    """One sound of the stream; seconds of it. `known`: the network was taught its label."""

    label: str
    start_s: float
    end_s: float
    snr_db: float
    known: bool


def recordings(folder: Path, known: Sequence[str], folds: Sequence[int]) -> list[Recording]:
    """What a network is taught: the known classes of these folds, and background."""
    found = []
    for source in sorted((data_folder() / "esc10").glob("*/*.ogg")):
        match = re.match(r"(\d)-(\d+)", source.stem)
        assert match is not None, source
        label, fold = source.parent.name.partition(" - ")[2], int(match[1])
        if fold in folds and label in (*known, *BACKGROUND_CLASSES):
            name = label if label in known else BACKGROUND
            found.append(Recording(as_flac(source, folder), name, int(match[2]), fold))
    for fold in folds:
        for number in range(ROOMS):
            path = folder / f"room-{fold}-{number}.flac"
            sound = room(ROOM_S, 1000 * fold + number)
            soundfile.write(path, sound.clip(-1, 1), RATE, subtype="PCM_16")
            found.append(Recording(path, BACKGROUND, 9_000_000 + 100 * fold + number, fold))
    return found


def room(seconds: float, seed: int) -> Signal:
    """Quiet noise of a room: each has its own colour and some slow swell."""
    draw = np.random.default_rng(seed)
    count = int(seconds * RATE)
    spectrum = np.fft.rfft(draw.standard_normal(count))
    frequency = np.fft.rfftfreq(count, 1 / RATE)
    spectrum /= (frequency + 30.0) ** draw.uniform(0.2, 1.2)
    bumps = draw.uniform(100, 6000, 3)
    for bump in bumps:
        spectrum *= 1 + draw.uniform(0, 2) * np.exp(-((np.log(frequency + 1) - np.log(bump)) ** 2))
    noise = np.fft.irfft(spectrum, count)
    swell = 1 + 0.3 * np.sin(2 * np.pi * np.arange(count) / RATE * draw.uniform(0.05, 0.3))
    return level_to(noise * swell, LEVEL)


def level_to(samples: NDArray[np.floating], level: float) -> Signal:
    power = float(np.sqrt(np.mean(np.square(samples, dtype=np.float64))))
    return (samples * (level / max(power, 1e-9))).astype(np.float32)


def sound_of(file: Path) -> Signal:
    """A clip without the quiet before and after its sound, at the model's rate."""
    samples, native = soundfile.read(file, dtype="float32", always_2d=True)
    mono = resample(samples.mean(axis=1), native, RATE)
    step = int(STEP_S * RATE)
    power = np.square(mono[: len(mono) // step * step].reshape(-1, step)).mean(axis=1)
    loud = np.flatnonzero(power > power.max() * 10 ** (-SOUND_RANGE_DB / 10))
    cut: Signal = mono[loud[0] * step : (loud[-1] + 1) * step].copy()
    ramp = np.minimum(1, np.arange(len(cut)) / (RAMP_S * RATE)).astype(np.float32)
    return cut * ramp * ramp[::-1]


def loud_level(samples: Signal) -> float:
    """Root mean square of the loudest half of a sound: pauses between barks do not count."""
    step = min(int(STEP_S * RATE), len(samples))
    power = np.square(samples[: len(samples) // step * step].reshape(-1, step)).mean(axis=1)
    return float(np.sqrt(np.sort(power)[len(power) // 2 :].mean()))


class Scene:
    """Draws a stream; the same seed gives the same one."""

    def __init__(self, folds: Sequence[int], seed: int = 0) -> None:
        self._draw = np.random.default_rng(seed)
        self._sounds: dict[str, list[Signal]] = {}
        self._beds: list[Signal] = []
        for source in sorted((data_folder() / "esc10").glob("*/*.ogg")):
            label = source.parent.name.partition(" - ")[2]
            if int(source.stem[0]) not in folds:
                continue
            if label in BACKGROUND_CLASSES:
                self._beds.append(level_to(sound_of(source), LEVEL))
            else:
                self._sounds.setdefault(label, []).append(sound_of(source))
        self._rooms = [room(30.0, 1000 * fold + 500 + n) for fold in folds for n in range(ROOMS)]

    def background(self, seconds: float) -> Signal:
        """Half rooms, half weather, faded into one another."""
        fade = int(FADE_S * RATE)
        ramp = np.linspace(0, 1, fade, dtype=np.float32)
        out = np.zeros(int(seconds * RATE) + fade, dtype=np.float32)
        at = 0
        while at + fade < len(out):
            beds = self._rooms if self._draw.random() < 0.5 else self._beds
            bed = beds[self._draw.integers(len(beds))] * np.float32(self._draw.uniform(0.5, 1.5))
            if len(bed) <= 2 * fade:
                continue
            bed = np.roll(bed, self._draw.integers(len(bed))) if beds is self._rooms else bed
            bed = bed.copy()
            bed[:fade] *= ramp
            bed[-fade:] *= ramp[::-1]
            part = bed[: len(out) - at]
            out[at : at + len(part)] += part
            at += len(bed) - fade
        return out[: int(seconds * RATE)]

    def mix(
        self, known: Sequence[str], unknown: Sequence[str], *, repeats: int, gap_s: float
    ) -> tuple[Signal, list[Played]]:
        """Every sound of these classes at every ratio, `repeats` times, in random order, with
        about `gap_s` of background between two."""
        entries = [
            (label, sound, ratio)
            for label in (*known, *unknown)
            for sound in self._sounds[label]
            for ratio in SNR_DB
            for _ in range(repeats)
        ]
        order = self._draw.permutation(len(entries))
        starts, at = [], gap_s
        for place in order:
            starts.append(at)
            at += len(entries[place][1]) / RATE + gap_s * self._draw.uniform(0.6, 1.4)
        stream = self.background(at + gap_s)
        played = []
        for place, start in zip(order, starts, strict=True):
            label, sound, ratio = entries[place]
            first = int(start * RATE)
            around = stream[first : first + len(sound)]
            under = float(np.sqrt(np.mean(np.square(around, dtype=np.float64))))
            gain = under * 10 ** (ratio / 20) / max(loud_level(sound), 1e-9)
            around += np.float32(gain) * sound
            end = start + len(sound) / RATE
            played.append(Played(label, start, end, ratio, label in known))
        return stream.clip(-1, 1), played
