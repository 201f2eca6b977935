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
# It could not be opened; the capture tries again by itself, for ever.
ABSENT = ("missing", "busy", "failed")
# The same, or its stream came to a halt.
AWAY = (*ABSENT, "stalled")
# Somebody meant it, or nothing more can come.
OVER = ("ended", "paused", "stopped")
# Nothing is begun with it. One that stalled was there a moment ago and is being opened anew.
DEAD = (*ABSENT, *OVER)
# A stream runs, whether or not what it carries is sound.
STREAMING = ("running", "silent", "stuck")
# Somebody has to do something about it...
BROKEN = (*AWAY, "stuck")
# ...or ought to look: it may be muted on purpose.
TROUBLED = (*BROKEN, "silent")


@dataclass(frozen=True)
class CaptureStatus:
    """state: one of STATES. frames, lost_frames: since the start, over all streams; lost are those
    that a running microphone gave and nobody got. away_s: seconds between the streams, while it
    was unplugged, stalled or opened anew; what it cost is no lost frame. restarts: how often the
    child was started again. since: wall time of the last change of state."""

    state: str
    detail: str = ""
    advice: str = ""
    rate: int = 0
    channels: int = 0
    frames: int = 0
    lost_frames: int = 0
    away_s: float = 0.0
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
