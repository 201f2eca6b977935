"""A scene: a timetable of sounds over a background, as a WAV file and the truth about it.

The same seed gives the same scene to the last sample. Scenes of different seeds share no sound:
each event is drawn anew, in pitch, timing, timbre, room and level.
"""

from __future__ import annotations

import json
import wave
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from appliance.demo.signals import Rng, Samples, add_at, decibels, to_peak
from appliance.demo.sounds import EVENTS
from appliance.demo.surroundings import BACKGROUNDS, Room, background

RATE = 48_000
BACKGROUND = "background"
_FRAME_S = 0.02
_FALL_DB = 35.0  # an event has ended when it has fallen so far below its loudest moment


@dataclass(frozen=True)
class Event:
    """One sound of a scene: audible from `start_s` to `end_s`."""

    label: str
    start_s: float
    end_s: float


@dataclass(frozen=True)
class Scene:
    name: str
    seed: int
    rate: int
    duration_s: float
    background_dbfs: float
    backgrounds: tuple[str, ...]
    events: tuple[Event, ...]

    def during(self, start_s: float, end_s: float, least: float = 0.05) -> list[Event]:
        """The events of which the stretch holds at least `least` seconds."""
        return [
            event
            for event in self.events
            if min(end_s, event.end_s) - max(start_s, event.start_s) >= least
        ]

    def save_truth(self, path: Path) -> None:
        path.write_text(json.dumps(asdict(self), indent=1))


def compose(
    name: str,
    seed: int,
    *,
    times: int,
    labels: Iterable[str] = tuple(EVENTS),
    backgrounds: Sequence[str] = tuple(BACKGROUNDS),
    lead_s: float = 4.0,
    gap_s: tuple[float, float] = (1.8, 2.8),
    rate: int = RATE,
) -> tuple[Scene, Samples]:
    """A scene in which each of `labels` sounds `times` times, in random order, over `backgrounds`
    one after the other. `lead_s` of background come first; `gap_s` is the quiet between two
    events, from and to. With `times` 0 it is background alone, `lead_s` long."""
    rng = np.random.default_rng(np.random.SeedSequence([0xEA7, seed]))
    order = [label for label in labels for _ in range(times)]
    rng.shuffle(order)
    floor_dbfs = float(rng.uniform(-54, -48))
    sounds = [(label, _render_event(label, rng, rate)) for label in order]
    at, placed = lead_s, []
    for label, sound in sounds:
        first, last = _audible(sound, rate, decibels(floor_dbfs))
        placed.append((at, sound, Event(label, at + first, at + last)))
        at += last + rng.uniform(*gap_s)
    count = round(at * rate)
    mix = background(rng, [str(kind) for kind in backgrounds], count, rate)
    mix *= np.float32(decibels(floor_dbfs))
    for start_s, sound, _ in placed:
        add_at(mix, sound, round(start_s * rate))
    scene = Scene(
        name=name,
        seed=seed,
        rate=rate,
        duration_s=count / rate,
        background_dbfs=floor_dbfs,
        backgrounds=tuple(backgrounds),
        events=tuple(event for _, _, event in placed),
    )
    return scene, np.clip(mix, -1, 1)


def write_wav(samples: Samples, rate: int, path: Path) -> None:
    """Mono, 16 bit, with a little dither so that silence is not digital silence."""
    dither = np.random.default_rng(0).uniform(-0.5, 0.5, len(samples)).astype(np.float32)
    pcm = np.clip(np.round(samples * 32767 + dither), -32768, 32767).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes(pcm.tobytes())


def _render_event(label: str, rng: Rng, rate: int) -> Samples:
    room = Room.draw(rng)
    wet = room.place(EVENTS[label](rng, rate), rng, rate)
    # From close by to the far end of the flat.
    return to_peak(wet, decibels(rng.uniform(-18, -5)))


def _audible(sound: Samples, rate: int, floor_rms: float) -> tuple[float, float]:
    """From when to when, in seconds, a sound stands out of a background of RMS `floor_rms`."""
    frame = int(_FRAME_S * rate)
    frames = np.pad(sound, (0, -len(sound) % frame)).reshape(-1, frame)
    level = np.sqrt(np.mean(frames**2, axis=1))
    loud = np.flatnonzero(level > max(float(level.max()) * decibels(-_FALL_DB), floor_rms))
    return float(loud[0] * _FRAME_S), float((loud[-1] + 1) * _FRAME_S)
