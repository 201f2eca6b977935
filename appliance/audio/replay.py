"""A microphone that plays files: for demonstrations, tests, and to hear a recording again."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import soundfile

from appliance import clock
from appliance.audio.resample import StreamResampler
from appliance.audio.source import (
    BLOCK_SECONDS,
    MAX_CHANNELS,
    Block,
    Samples,
    SourceError,
    SourceSpec,
    StreamFormat,
)

SUFFIXES = {".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff"}


class ReplaySource:
    """Files, one after another without a pause, at the rate and channels of the first.

    Blocks come when a microphone would give them: not before their last sample has "happened",
    `speed` times faster than real. When the machine is late they come late and none is lost.
    """

    def __init__(self, spec: SourceSpec) -> None:
        self._path = spec.path
        self._speed = spec.options.get("speed", 1.0)
        self._loop = bool(spec.options.get("loop", 0))
        self._format = StreamFormat(0, 0)
        self._blocks: Iterator[Samples] = iter(())
        self._frame = 0
        self._began_ns = 0

    def open(self) -> StreamFormat:
        files = replay_files(self._path)
        with _opened(files[0]) as first:
            if not 1 <= first.channels <= MAX_CHANNELS:
                raise SourceError(
                    "failed",
                    f"{files[0]} has {first.channels} channels",
                    f"replay a file with 1 to {MAX_CHANNELS} channels",
                )
            self._format = StreamFormat(first.samplerate, first.channels, self._speed)
        self._blocks = self._all_blocks(files)
        self._began_ns = clock.monotonic_ns()
        return self._format

    def read(self) -> Block | None:
        samples = next(self._blocks, None)
        if samples is None:
            return None
        captured_ns = self._moment(self._frame)
        wait_s = (self._moment(self._frame + len(samples)) - clock.monotonic_ns()) / 1e9
        if wait_s > 0:
            time.sleep(wait_s)
        block = Block(samples, self._frame, captured_ns)
        self._frame += len(samples)
        return block

    def close(self) -> None:
        self._blocks = iter(())

    def _moment(self, frame: int) -> int:
        return self._began_ns + round(frame * 1e9 / (self._format.rate * self._speed))

    def _all_blocks(self, files: list[Path]) -> Iterator[Samples]:
        """Blocks of equal length across the joints between files; only the last is shorter."""
        size = max(1, round(self._format.rate * BLOCK_SECONDS))
        held: list[Samples] = []
        count = 0
        while True:
            heard = 0
            for file in files:
                for part in self._one_file(file):
                    heard += len(part)
                    held.append(part)
                    count += len(part)
                    while count >= size:
                        joined = np.concatenate(held)
                        yield joined[:size]
                        held = [joined[size:]]
                        count -= size
            if not self._loop or heard == 0:
                break
        if count:
            yield np.concatenate(held)

    def _one_file(self, file: Path) -> Iterator[Samples]:
        rate, channels = self._format.rate, self._format.channels
        with _opened(file) as handle:
            resampler = StreamResampler(handle.samplerate, rate, channels)
            while True:
                try:
                    part = handle.read(handle.samplerate, dtype="float32", always_2d=True)
                except (soundfile.SoundFileError, RuntimeError) as error:
                    raise _bad(file, error) from error
                if len(part) == 0:
                    break
                if part.shape[1] != channels:
                    mono = part.mean(axis=1, dtype=np.float32, keepdims=True)
                    part = np.repeat(mono, channels, axis=1)
                yield resampler.push(part)
            yield resampler.finish(np.zeros((0, channels), np.float32))


def replay_files(path: Path) -> list[Path]:
    """The files that a replay of `path` plays: itself, or those of a folder, sorted by name,
    folders inside it included. Raises SourceError when there are none."""
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise SourceError(
            "missing", f"there is no {path} to replay", "give a file or folder with sound"
        )
    files = sorted(
        file for file in path.rglob("*") if file.suffix.lower() in SUFFIXES and file.is_file()
    )
    if not files:
        raise SourceError(
            "missing", f"the folder {path} holds no sound", f"put {_suffixes()} files into it"
        )
    return files


def _suffixes() -> str:
    return ", ".join(sorted(SUFFIXES))


def _opened(file: Path) -> soundfile.SoundFile:
    try:
        return soundfile.SoundFile(file)
    except (soundfile.SoundFileError, RuntimeError, OSError) as error:
        raise _bad(file, error) from error


def _bad(file: Path, error: Exception) -> SourceError:
    return SourceError(
        "failed", f"{file} cannot be replayed: {error}", "remove it, or convert it to WAV or FLAC"
    )
