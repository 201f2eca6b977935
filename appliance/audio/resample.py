"""From one sample rate to another, with soxr's "HQ" filter (20-bit precision, linear phase)."""

from __future__ import annotations

import numpy as np
import soxr

from appliance.audio.source import Samples


def resample(samples: Samples, in_rate: int, out_rate: int) -> Samples:
    """A whole signal, float32 [n] or [n, channels], at `out_rate`: round(n * out / in) frames."""
    if in_rate == out_rate or len(samples) == 0:
        return samples.astype(np.float32, copy=False)
    changed = soxr.resample(samples, in_rate, out_rate, quality="HQ")
    return np.asarray(changed, dtype=np.float32)


class StreamResampler:
    """A stream, piece by piece; joined pieces equal `resample` of the whole.

    Output sample k always stands for the moment k / out_rate of the input: the filter's delay is
    held back (a push may return nothing), not added.
    """

    def __init__(self, in_rate: int, out_rate: int, channels: int = 1) -> None:
        self.in_rate = in_rate
        self.out_rate = out_rate
        self._stream = (
            None
            if in_rate == out_rate
            else soxr.ResampleStream(in_rate, out_rate, channels, dtype="float32", quality="HQ")
        )

    def push(self, samples: Samples) -> Samples:
        """The next input; returns what is ready, float32 [m] or [m, channels]."""
        return self._step(samples, last=False)

    def finish(self, samples: Samples | None = None) -> Samples:
        """The last input, if any; returns the rest. Push nothing after it."""
        return self._step(np.zeros(0, np.float32) if samples is None else samples, last=True)

    def _step(self, samples: Samples, *, last: bool) -> Samples:
        if self._stream is None:
            return samples
        return np.asarray(self._stream.resample_chunk(samples, last=last), dtype=np.float32)
