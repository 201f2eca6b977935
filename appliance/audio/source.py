"""What a microphone is to the rest of the house: blocks of samples with a counter and a time.

A `Source` lives in a capture child (`capture_child.py`) and gives `Block`s at the native rate and
channels; the supervisor (`capture.py`) turns them into mono `Chunk`s for its consumers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import parse_qsl

import numpy as np
import numpy.typing as npt

from appliance.errors import InvalidInput, MicrophoneError

Samples = npt.NDArray[np.float32]

BLOCK_SECONDS = 0.1
MAX_CHANNELS = 8
_REPLAY = "replay:"
_REPLAY_OPTIONS = {"speed": "0.1 to 100", "loop": "0 or 1"}
_DEVICE_OPTIONS = {"rate": "1000 to 384000", "channels": f"1 to {MAX_CHANNELS}"}
_RANGES = {"speed": (0.1, 100.0), "loop": (0, 1), "rate": (1000, 384_000), "channels": (1, 8)}


@dataclass(frozen=True)
class StreamFormat:
    """`speed` is how much faster than its own clock a stream runs: 1 for every real microphone."""

    rate: int
    channels: int
    speed: float = 1.0


@dataclass(frozen=True)
class Block:
    """A stretch of sound as a source gives it.

    samples: float32 [frames, channels] in -1..1. frame: number of its first frame in this stream,
    lost ones counted. captured_ns: CLOCK_BOOTTIME of its first frame. lost: frames missing just
    before it.
    """

    samples: Samples
    frame: int
    captured_ns: int
    lost: int = 0


@dataclass(frozen=True)
class Chunk:
    """A stretch of sound as consumers get it: mono float32 [n], read-only, gain applied.

    microphone: its id. stream: grows by one each time that the microphone is opened again, and
    `frame` then begins at 0. frame, captured_ns, lost: as in `Block`; the first chunk of a later
    stream says in `lost` how many frames the interruption cost, measured by the clock. speed: how
    much faster than real time a replay runs; 1 for real microphones.
    """

    microphone: str
    stream: int
    rate: int
    samples: Samples
    frame: int
    captured_ns: int
    lost: int = 0
    speed: float = 1.0

    @property
    def end_frame(self) -> int:
        return self.frame + len(self.samples)

    def moment_ns(self, frame: int) -> int:
        """CLOCK_BOOTTIME of a frame of this stream, in or near this chunk."""
        return self.captured_ns + round((frame - self.frame) * self.ns_per_frame)

    @property
    def ns_per_frame(self) -> float:
        """The clock's time from one frame to the next."""
        return 1e9 / (self.rate * self.speed)


class Source(Protocol):
    """Opened and read in one thread. `open` and `read` raise SourceError."""

    def open(self) -> StreamFormat: ...

    def read(self) -> Block | None:
        """The next block; None when the stream has ended (a replay only)."""

    def close(self) -> None: ...


class SourceError(MicrophoneError):
    """Why a source gives no sound; `state` is the capture state to show meanwhile."""

    def __init__(self, state: str, message: str, advice: str = "") -> None:
        super().__init__(message, advice)
        self.state = state


@dataclass(frozen=True)
class SourceSpec:
    """A parsed source: `kind` is "replay" or "device"; `target` a path or a device's id."""

    kind: str
    target: str
    options: Mapping[str, float] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        return Path(self.target).expanduser()


def parse_source(text: str) -> SourceSpec:
    """Parse `default`, a device's id, or `replay:PATH?speed=4&loop=1`.

    Raises InvalidInput naming what is wrong. Whether the device or file exists is found out when
    it is opened, since it may come later.
    """
    kind, rest, known = "device", text, _DEVICE_OPTIONS
    if text.startswith(_REPLAY):
        kind, rest, known = "replay", text[len(_REPLAY) :], _REPLAY_OPTIONS
    target, _, query = rest.rpartition("?")
    if "=" not in query:
        target, query = rest, ""
    options = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in known:
            raise InvalidInput(
                f"the source {text[:200]!r} has an unknown option {key!r}",
                "options: " + ", ".join(f"{name} ({what})" for name, what in known.items()),
            )
        options[key] = _number(text, key, value, known[key])
    if not target or any(ord(character) < 32 for character in target):
        raise InvalidInput(
            f"not a source of sound: {text[:200]!r}",
            "use default, an id that `earmark devices` lists, or replay:PATH",
        )
    return SourceSpec(kind, target, options)


def _number(text: str, key: str, value: str, allowed: str) -> float:
    low, high = _RANGES[key]
    try:
        number = float(value)
    except ValueError:
        number = float("nan")
    if not low <= number <= high:
        raise InvalidInput(f"the source {text[:200]!r}: {key} is {value!r}", f"give {allowed}")
    return number
