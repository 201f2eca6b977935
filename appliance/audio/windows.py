"""From a signal to the network's windows, and from window scores back to one answer.

Training, evaluation, `predict` and listening all use these three functions, so they cannot
disagree. NumPy only: the daemon imports this module.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A window 27 dB below the loudest one, or more, still counts with a twentieth of its weight: quiet
# stretches of a clip carry less, but a sound is never decided by its loudest moment alone.
QUIETEST_SHARE = 0.002


def cut_windows(samples: NDArray[np.float32], window: int, hop: int) -> NDArray[np.float32]:
    """Cut a mono signal into overlapping windows that together cover all of it.

    samples: float32 [n] at the model's rate; window, hop: samples (hop <= window).
    Returns float32 [k, window], k >= 1. The last window ends with the signal (so it may overlap
    more than the others). A signal shorter than the window stands in the middle of zeros, which
    is one of the paddings that training shows the network.
    """
    if window <= 0 or not 0 < hop <= window:
        raise ValueError(f"window {window} and hop {hop} must satisfy 0 < hop <= window")
    signal = np.ascontiguousarray(samples, dtype=np.float32).reshape(-1)
    count = signal.shape[0]
    if count <= window:
        padded = np.zeros((1, window), dtype=np.float32)
        start = (window - count) // 2
        padded[0, start : start + count] = signal
        return padded
    starts = list(range(0, count - window + 1, hop))
    if starts[-1] != count - window:
        starts.append(count - window)
    view = np.lib.stride_tricks.sliding_window_view(signal, window)
    return np.ascontiguousarray(view[starts])


def window_weights(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """How much each window counts towards its clip: float32 [k], summing to 1.

    The root of each window's energy relative to the loudest, not below `QUIETEST_SHARE`; equal
    weights for digital silence. windows: float32 [k, window].
    """
    energy = np.square(windows, dtype=np.float64).mean(axis=1)
    loudest = float(energy.max())
    if not loudest > 0:
        return np.full(windows.shape[0], 1.0 / windows.shape[0], dtype=np.float32)
    weights = np.sqrt(np.maximum(energy / loudest, QUIETEST_SHARE))
    shares: NDArray[np.float32] = (weights / weights.sum()).astype(np.float32)
    return shares


def clip_probabilities(
    window_probs: NDArray[np.float32], weights: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The clip's class probabilities [c]: the weighted mean of its windows' [k, c]."""
    mean: NDArray[np.float32] = (weights[:, None] * window_probs).sum(axis=0).astype(np.float32)
    return mean
