"""Whether what a microphone sends is sound: named states for digital silence and a stuck value."""

from __future__ import annotations

from appliance.audio.source import Samples

SILENT_AFTER_S = 20.0


class Liveness:
    """Pure; fed with the raw samples of each block, before gain."""

    def __init__(self, after_s: float = SILENT_AFTER_S) -> None:
        self._after_s = after_s
        self._flat_s = 0.0
        self._value = 0.0

    def push(self, samples: Samples, seconds: float) -> str:
        """ "running", or "silent" (nothing but zeros for long) or "stuck" (one value for long).

        A real microphone in a silent room still has noise in its lowest bits.
        """
        low, high = float(samples.min()), float(samples.max())
        if low != high or (self._flat_s and low != self._value):
            self._flat_s = 0.0
        if low == high:
            self._value = low
            self._flat_s += seconds
        if self._flat_s < self._after_s:
            return "running"
        return "silent" if self._value == 0 else "stuck"
