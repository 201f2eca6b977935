"""What a capture says of itself: its states, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass

from appliance import units

STATES = (
    "starting",
    "running",
    "missing",
    "busy",
    "stalled",
    "silent",
    "stuck",
    "ended",
    "paused",
    "failed",
    "stopped",
)


@dataclass(frozen=True)
class CaptureStatus:
    """state: one of STATES. frames, lost_frames: since the start, over all streams. restarts: how
    often the child was started again. since: wall time of the last change of state."""

    state: str
    detail: str = ""
    advice: str = ""
    rate: int = 0
    channels: int = 0
    frames: int = 0
    lost_frames: int = 0
    restarts: int = 0
    level_dbfs: float = units.SILENCE_DBFS
    peak_dbfs: float = units.SILENCE_DBFS
    since: float = 0.0
    retry_in_s: float | None = None


# States of a stream that runs: detail and advice.
LIVENESS = {
    "running": ("", ""),
    "silent": (
        "the microphone sends nothing but zeros",
        "it may be muted: check its switch, or `alsamixer`",
    ),
    "stuck": (
        "the microphone sends one and the same value",
        "it is broken or badly plugged; unplug it and plug it in again",
    ),
}
