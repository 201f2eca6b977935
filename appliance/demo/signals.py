"""What the synthesised sounds are made of: sine waves, decays, shaped noise. Plain numpy.

Every function takes the sampling rate in Hz and gives float32 mono samples.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.float32]
Rng = np.random.Generator


def seconds(duration_s: float, rate: int) -> npt.NDArray[np.float64]:
    """The times, in seconds, of the samples of `duration_s`."""
    return np.arange(max(round(duration_s * rate), 1)) / rate


def sine(frequency_hz: npt.NDArray[np.float64] | float, times: npt.NDArray[np.float64]) -> Samples:
    """A sine wave whose frequency may change from sample to sample (the phase is its integral)."""
    if isinstance(frequency_hz, float):
        return np.sin(2 * np.pi * frequency_hz * times).astype(np.float32)
    step = times[1] - times[0] if len(times) > 1 else 0.0
    return np.sin(2 * np.pi * np.cumsum(frequency_hz) * step).astype(np.float32)


def ramps(count: int, rise: int, fall: int) -> Samples:
    """Ones with a raised-cosine rise and fall of so many samples: no clicks at the edges."""
    shape = np.ones(count, np.float32)
    rise, fall = min(rise, count), min(fall, count)
    if rise:
        shape[:rise] *= 0.5 - 0.5 * np.cos(np.pi * np.arange(rise) / rise)
    if fall:
        shape[count - fall :] *= 0.5 + 0.5 * np.cos(np.pi * np.arange(fall) / fall)
    return shape


def shaped_noise(
    rng: Rng, count: int, rate: int, response: Callable[[npt.NDArray[np.floating]], npt.ArrayLike]
) -> Samples:
    """Gaussian noise whose spectrum follows `response` (magnitude over frequency in Hz); its RMS
    is 1."""
    # A length of small prime factors: an FFT over a large prime would take many times as long.
    length: int = 1 << max(count - 1, 1).bit_length()
    spectrum = np.fft.rfft(rng.standard_normal(length).astype(np.float32))
    spectrum *= np.asarray(response(np.fft.rfftfreq(length, 1 / rate)), np.float32)
    noise = np.fft.irfft(spectrum, length)[:count]
    return to_unit(np.asarray(noise, np.float32))


def convolve(samples: Samples, kernel: Samples) -> Samples:
    """Full linear convolution, by FFT."""
    count = len(samples) + len(kernel) - 1
    length = 1 << (count - 1).bit_length()
    product = np.fft.rfft(samples, length) * np.fft.rfft(kernel, length)
    return np.fft.irfft(product, length)[:count].astype(np.float32)


def add_at(target: Samples, samples: Samples, start: int) -> None:
    """Mix `samples` into `target` from sample `start` on; what would stick out is left off."""
    end = min(start + len(samples), len(target))
    if end > start:
        target[start:end] += samples[: end - start]


def to_unit(samples: Samples) -> Samples:
    """`samples` at an RMS of 1."""
    level = float(np.sqrt(np.mean(np.square(samples))))
    return samples / np.float32(level) if level > 0 else samples


def to_peak(samples: Samples, peak: float = 1.0) -> Samples:
    highest = float(np.max(np.abs(samples), initial=0.0))
    return samples * np.float32(peak / highest) if highest > 0 else samples


def decibels(value_db: float) -> float:
    """The factor on amplitudes that `value_db` stands for."""
    return float(10 ** (value_db / 20))
