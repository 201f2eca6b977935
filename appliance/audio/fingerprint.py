"""An acoustic fingerprint: the same for two copies of one recording, whatever their format.

The method is that of Haitsma and Kalker, "A Highly Robust Audio Fingerprinting System" (ISMIR
2002): for each short frame 32 bits, each the sign of how the difference between two neighbouring
bands changes with time. The loudness cancels out, and so does most of what an encoder, another
rate or a filter does; where the copy begins does not matter. Two recordings of the same steady
machine share its spectrum but not its fluctuations, so about half of their bits differ.

Keys make copies findable among many clips without comparing all: a clip is known by those of its
frames whose words have the smallest hashes (bottom-k sampling; Broder, "On the Resemblance and
Containment of Documents", 1997), so that copies choose the same frames without knowing of each
other. Who looks for copies tries, for each frame, its word with its weakest bits turned as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import soxr
from numpy.typing import NDArray

from appliance.audio.source import Samples

METHOD = 1
"""Stored with each fingerprint: those of another method are made anew."""

RATE = 4_000
HASTE_RATE = 11_000
FRAME, HOP, LAG = 512, 64, 4
"""128 ms, every 16 ms, each compared with the frame 64 ms before."""
BITS = 32
LOWEST_HZ, HIGHEST_HZ = 150.0, 1_800.0
FRAMES_A_SECOND = RATE / HOP
# A frame this far below the loudest, or below full scale, is silence: its bits would be noise of
# the encoder.
QUIET_DB, SILENT_DB = -40.0, -90.0
# Nor does one tell anything in which the bands hardly change (natural logarithms of energy; noise
# changes by about 0.7): a hum or a tone that repeats itself to the sample.
STEADY = 0.05

FEWEST_KEYS, KEYS_A_SECOND = 32, 6
WEAK_BITS = 6
# So many words are tried for a clip, as far as its weak bits reach: short clips have few frames.
PROBES = 2_400

FEWEST_FRAMES = 8
COVERED = 0.6
"""So much of the shorter clip must lie within the other."""
# The share of bits that may differ, by the frames compared: of few frames, more must agree.
# Measured on ESC-10 and FSDD, see docs/benchmarks.md.
LIMIT_FRAMES, LIMITS = (8, 20, 125), (0.15, 0.20, 0.28)

_AT_ONCE = 64
Words = NDArray[np.uint32]


@dataclass(frozen=True)
class Fingerprint:
    """words, uint32 [frames]: one a frame, 0 for one that tells nothing. weak, uint32 [frames]:
    the numbers of its six weakest bits, the weakest first, five bits each."""

    words: Words
    weak: Words


@dataclass(frozen=True)
class Likeness:
    """similarity: 1 for equal, about 0.5 for strangers, the share of bits that agree. lag_s: where
    the second sound begins within the first, in seconds. frames: how many were compared."""

    similarity: float
    lag_s: float
    frames: int


def fingerprint(samples: Samples, rate: float) -> Fingerprint:
    """Of float32 [n] mono at `rate` Hz."""
    if (times := int(rate // HASTE_RATE)) > 1:
        # The mean of each few samples takes a tenth of a filter's time, and what it folds down
        # from far above is faint.
        whole = len(samples) // times * times
        summed = samples[0:whole:times].astype(np.float32)
        for place in range(1, times):
            summed += samples[place:whole:times]
        samples, rate = summed * np.float32(1 / times), rate / times
    if rate != RATE:
        samples = np.asarray(soxr.resample(samples, rate, RATE, quality="LQ"), dtype=np.float32)
    energies = _energies(np.pad(samples, FRAME // 2))
    levels = np.log(energies + np.float32(1e-12))
    slopes = levels[:, :-1] - levels[:, 1:]
    changes = slopes[LAG:] - slopes[:-LAG]
    loud = 10 * np.log10(energies.sum(axis=1) + np.float32(1e-12))
    loud = np.minimum(loud[LAG:], loud[:-LAG]) if len(loud) > LAG else loud[:0]
    heard = loud > max(SILENT_DB, float(loud.max(initial=-np.inf)) + QUIET_DB)
    telling = heard & (np.median(np.abs(changes), axis=1) > STEADY)
    if 2 * int(telling.sum()) < int(heard.sum()):
        telling[:] = False  # only how it begins and ends, which it shares with its like
    words = np.packbits(changes > 0, axis=1, bitorder="little").view("<u4")[:, 0]
    weakest = np.argpartition(np.abs(changes), WEAK_BITS, axis=1)[:, :WEAK_BITS]
    order = np.argsort(np.take_along_axis(np.abs(changes), weakest, axis=1), axis=1)
    weakest = np.take_along_axis(weakest, order, axis=1).astype(np.uint32)
    weak = (weakest << (5 * np.arange(WEAK_BITS, dtype=np.uint32))).sum(axis=1, dtype=np.uint32)
    return Fingerprint(np.where(telling, words, 0).astype(np.uint32), weak)


def keys(found: Fingerprint) -> Words:
    """By which a clip is found, uint32 [k]: those of its words with the smallest hashes."""
    words = np.unique(found.words[found.words != 0])
    wanted = max(FEWEST_KEYS, round(len(found.words) / FRAMES_A_SECOND * KEYS_A_SECOND))
    return words[np.argsort(_hashed(words), kind="stable")[:wanted]]


def probes(found: Fingerprint) -> Words:
    """What to look for among the keys of others, uint32 [p]: each word, and what it would be if
    some of its weak bits had turned."""
    heard = found.words != 0
    words, weak = found.words[heard], found.weak[heard]
    turned = 0
    while turned < WEAK_BITS and len(words) << (turned + 1) <= PROBES:
        turned += 1
    tried = [words]
    for bit in range(turned):
        flip = np.uint32(1) << (weak >> np.uint32(5 * bit) & np.uint32(31))
        tried += [other ^ flip for other in tried]
    return np.unique(np.concatenate(tried))


def compare(first: Words, second: Words) -> Likeness | None:
    """Two clips at the lag at which most of their bits agree. None when they are strangers: too
    little sound to tell, or too many bits that differ."""
    heard = first != 0, second != 0
    needed = max(FEWEST_FRAMES, COVERED * min(int(heard[0].sum()), int(heard[1].sum())))
    size = 1 << int(len(first) + len(second)).bit_length()
    agreed = _correlate(_signs(first), _signs(second), size)
    both = [mask[:, None].astype(np.float32) for mask in heard]
    frames = np.rint(_correlate(both[0], both[1], size))
    wrong = np.where(frames >= needed, 0.5 - agreed / (2 * BITS * np.maximum(frames, 1)), 1.0)
    lag = int(wrong.argmin())
    if wrong[lag] > limit(float(frames[lag])):
        return None
    begins = lag if lag < size // 2 else lag - size
    similarity = min(1.0, 1.0 - float(wrong[lag]))
    return Likeness(round(similarity, 4), begins / FRAMES_A_SECOND, int(frames[lag]))


def limit(frames: float) -> float:
    """The share of bits in which two copies may differ when so many frames were compared."""
    return float(np.interp(frames, LIMIT_FRAMES, LIMITS))


def _energies(padded: Samples) -> NDArray[np.float32]:
    """[frames, BITS + 1]: energy by band; a sine of full scale gives about 1 in all together."""
    starts = range(0, max(0, len(padded) - FRAME) + 1, HOP)
    window, edges = np.hanning(FRAME).astype(np.float32), _edges()
    scale = np.float32(16 / 1.5 / FRAME**2)
    if len(padded) < FRAME:
        padded = np.pad(padded, (0, FRAME - len(padded)))
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME)[::HOP]
    bands = np.empty((len(starts), BITS + 1), np.float32)
    # A few at once: a whole minute would not fit the processor's cache.
    for begin in range(0, len(starts), _AT_ONCE):
        spectrum = np.fft.rfft(frames[begin : begin + _AT_ONCE] * window, axis=1)
        spectrum = spectrum[:, : edges[-1]]
        power = np.square(spectrum.real) + np.square(spectrum.imag)
        bands[begin : begin + _AT_ONCE] = np.add.reduceat(power, edges[:-1], axis=1) * scale
    return bands


@lru_cache(maxsize=1)
def _edges() -> NDArray[np.int64]:
    """[BITS + 2]: the bin at which each band begins, and where the last ends."""
    edges = np.geomspace(LOWEST_HZ, HIGHEST_HZ, BITS + 2) / (RATE / FRAME)
    return np.round(edges).astype(np.int64)


def _signs(words: Words) -> NDArray[np.float32]:
    """[frames, BITS]: 1 and -1 for the bits, 0 where a frame tells nothing."""
    content = np.ascontiguousarray(words, dtype="<u4").view(np.uint8).reshape(-1, 4)
    bits = np.unpackbits(content, axis=1, bitorder="little").astype(np.float32)
    bits[words == 0] = 0.5
    return 2 * bits - 1


def _correlate(
    first: NDArray[np.float32], second: NDArray[np.float32], size: int
) -> NDArray[np.float64]:
    """Summed over the columns: the correlation of [n, c] with [m, c] by lag, [size], wrapped."""
    product = np.fft.rfft(first, size, axis=0) * np.conj(np.fft.rfft(second, size, axis=0))
    return np.asarray(np.fft.irfft(product.sum(axis=1), size), dtype=np.float64)


def _hashed(words: Words) -> NDArray[np.uint32]:
    """The words, mixed so that their order says nothing of their content (multiply-xorshift)."""
    mixed: NDArray[np.uint32] = words.astype(np.uint32)
    for _ in range(2):
        mixed = (mixed ^ (mixed >> np.uint32(16))) * np.uint32(0x45D9F3B)
    mixed ^= mixed >> np.uint32(16)
    return mixed
