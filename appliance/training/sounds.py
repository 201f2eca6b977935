"""Clips from disk: mono float32 at the model's rate, read by several threads."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Callable, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

import numpy as np
import soundfile
import soxr
import torch
from numpy.typing import NDArray

from appliance.errors import TrainingError

Result = TypeVar("Result")

# How far the readers may run ahead of the one who consumes, in clips a thread.
READ_AHEAD = 4


def read_sound(path: Path, rate: int) -> NDArray[np.float32]:
    """A clip as float32 [n] at `rate`. Raises TrainingError naming a file that cannot be read."""
    try:
        samples, native = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise TrainingError(
            "crashed",
            f"clip {path} cannot be read: {error}",
            "delete or restore the clip, then submit the job again",
        ) from error
    mono: NDArray[np.float32] = samples.mean(axis=1, dtype=np.float32)
    if native != rate and mono.size:
        mono = soxr.resample(mono, native, rate, quality="HQ").astype(np.float32, copy=False)
    if not np.isfinite(mono).all():
        mono = np.nan_to_num(mono, nan=0.0, posinf=0.0, neginf=0.0)
    return mono


def native_rate(path: Path) -> int:
    """The rate at which a clip was recorded, from its header."""
    try:
        return int(soundfile.info(path).samplerate)
    except (OSError, soundfile.LibsndfileError) as error:
        raise TrainingError(
            "crashed",
            f"clip {path} cannot be read: {error}",
            "delete or restore the clip, then submit the job again",
        ) from error


def read_sounds(
    paths: Sequence[Path],
    rate: int,
    threads: int,
    work: Callable[[NDArray[np.float32]], Result],
) -> Generator[Result, None, None]:
    """`work(samples)` of every clip, in order; read, resampled and worked on in `threads` threads.

    Each thread computes alone: threads of torch inside them would only wait for one another.
    """
    threads = max(1, threads)
    with ThreadPoolExecutor(threads, "reader", torch.set_num_threads, (1,)) as pool:
        waiting = iter(paths)
        pending = deque(
            pool.submit(_worked, path, rate, work)
            for path in itertools.islice(waiting, threads * READ_AHEAD)
        )
        while pending:
            done = pending.popleft().result()
            for path in itertools.islice(waiting, 1):
                pending.append(pool.submit(_worked, path, rate, work))
            yield done


def _worked(path: Path, rate: int, work: Callable[[NDArray[np.float32]], Result]) -> Result:
    return work(read_sound(path, rate))
