"""A recording whose microphone is away for a while: what is the matter, and when to give up."""

from __future__ import annotations

from appliance import clock
from appliance.audio.capture_state import AWAY, OVER, CaptureStatus
from appliance.audio.source import Chunk
from appliance.units import human_duration

# A microphone that gives nothing for so long is away, whatever its state says.
SILENT_LIMIT_S = 10.0
_REASONS_TOLD = 3


class Interruption:
    """Whether the microphone of one recording gives sound. Not thread-safe."""

    def __init__(self, seconds: float | None) -> None:
        """seconds: how long the recording shall be; None until it is stopped."""
        self.why = ""  # what is the matter now; empty while there is sound
        self._seconds = seconds
        self._heard_ns = clock.monotonic_ns()
        self._until_ns = None if seconds is None else self._heard_ns + round(seconds * 1e9)
        self._heard = False
        self._reasons: list[str] = []

    def heard(self, chunk: Chunk) -> None:
        """Sound came. The planned end is counted from the first of it."""
        if not self._heard and self._seconds is not None:
            length_ns = round(self._seconds / chunk.speed * 1e9)
            self._until_ns = chunk.moment_ns(chunk.frame) + length_ns
        self._heard = True
        self._heard_ns = clock.monotonic_ns()

    def look(self, status: CaptureStatus) -> str:
        """What is the matter with the microphone, which has this status; empty if nothing is."""
        silent_s = (clock.monotonic_ns() - self._heard_ns) / 1e9
        if status.state in AWAY:
            return status.detail or f"the microphone is {status.state}"
        if silent_s > SILENT_LIMIT_S:
            return f"the microphone has given nothing for {human_duration(silent_s)}"
        return ""

    def begin(self, why: str) -> bool:
        """It is away, or still: `why` is the newest reason. True when it has just gone."""
        new, self.why = not self.why, why
        return new

    def end(self) -> bool:
        """There is sound again. True when there was none."""
        if not self.why:
            return False
        if self.why not in self._reasons:
            self._reasons.append(self.why)
        self.why = ""
        return True

    @property
    def past_end(self) -> bool:
        """Whether the planned end is over."""
        return self._until_ns is not None and clock.monotonic_ns() >= self._until_ns

    def account(self, gap_s: float) -> str:
        """In words, of a recording in which `gap_s` seconds are missing; empty when none are."""
        if gap_s <= 0:
            return ""
        said = self._reasons[:_REASONS_TOLD] or ["the microphone was opened anew"]
        more = len(self._reasons) - len(said)
        return (
            f"{human_duration(gap_s)} are missing: {', then '.join(said)}"
            + (f", and {more} more" if more > 0 else "")
            + "; it came back and the recording went on"
        )


def over(status: CaptureStatus) -> str:
    """Why a recording of a microphone with this status is over; empty when it is not."""
    if status.state == "ended":
        return "the replay is over"
    if status.state in OVER:
        return f"the microphone is {status.state}" + (f": {status.detail}" if status.detail else "")
    return ""
