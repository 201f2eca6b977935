"""What a decode child does with one file: check it, decode it, cut it, write it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from appliance.audio.decode_checks import check_container, check_opened, explain, too_long
from appliance.audio.flac import MAX_RATE, Piece, write_flac
from appliance.audio.level import peak_amplitude
from appliance.audio.resample import StreamResampler
from appliance.audio.source import Samples
from appliance.errors import DecodeError
from appliance.units import human_duration

# Values of a float file beyond this are not sound in -1..1 (they may be 16-bit numbers in floats).
LOUDEST = 16.0
SHORTEST_S = 0.01
TAIL_S = 0.1
_VALUES_A_READ = 1 << 18
FLAC_FILE_BYTES = 64 * 1024 * 1024

Alive = Callable[[], None]
LimitFile = Callable[[int], None]


def work(
    request: dict[str, Any], descriptor: int | None, alive: Alive, limit_file: LimitFile
) -> dict[str, Any]:
    """One request as `decode.Decoder` sends it; the reply."""
    path = Path(request["path"])
    if request["do"] == "flac":
        limit_file(FLAC_FILE_BYTES)
        pieces = to_flac(
            path,
            Path(request["folder"]),
            request["prefix"],
            request["piece_seconds"],
            request["max_seconds"],
            alive,
        )
        facts = []
        for piece in pieces:
            fact = asdict(piece)
            fact["name"] = fact.pop("path").name
            facts.append(fact)
        return {"pieces": facts}
    assert descriptor is not None
    limit_file(int(4 * request["rate"] * (request["max_seconds"] + 60)))
    frames = 0
    for block in mono_blocks(path, request["max_seconds"], alive, rate=request["rate"]):
        data = np.ascontiguousarray(block).data.cast("B")
        while data:
            data = data[os.write(descriptor, data) :]
        frames += len(block)
    return {"frames": frames}


def to_flac(
    path: Path, folder: Path, prefix: str, piece_seconds: float, max_seconds: float, alive: Alive
) -> list[Piece]:
    """Write the pieces; on an error remove those already written."""
    pieces: list[Piece] = []
    try:
        rate, blocks = _opened(path, max_seconds, alive, None)
        start = 0
        for samples in cut(blocks, round(piece_seconds * rate), round(TAIL_S * rate)):
            target = folder / f"{prefix}{len(pieces):05d}.flac"
            # Their fingerprints come later (`care/fingerprints.py`): an import shall be fast.
            piece = write_flac(samples, rate, target, start_s=start / rate, identify=False)
            pieces.append(piece)
            start += len(samples)
    except BaseException:
        for piece in pieces:
            piece.path.unlink(missing_ok=True)
        raise
    return pieces


def cut(blocks: Iterator[Samples], length: int, tail: int) -> Iterator[Samples]:
    """Join blocks and cut them every `length` frames; a rest shorter than `tail` stays with the
    piece before it."""
    held: list[Samples] = []
    count = 0
    for block in blocks:
        held.append(block)
        count += len(block)
        while count >= length + tail:
            joined = np.concatenate(held) if len(held) > 1 else held[0]
            yield joined[:length]
            held = [joined[length:]]
            count -= length
    if count:
        yield np.concatenate(held) if len(held) > 1 else held[0]


def mono_blocks(
    path: Path, max_seconds: float, alive: Alive, rate: int | None = None
) -> Iterator[Samples]:
    """The whole file as mono float32 blocks at `rate`, or at its own rate up to 48 kHz."""
    return _opened(path, max_seconds, alive, rate)[1]


def _opened(
    path: Path, max_seconds: float, alive: Alive, rate: int | None
) -> tuple[int, Iterator[Samples]]:
    kind = check_container(path)
    try:
        handle = soundfile.SoundFile(path)
    except (soundfile.SoundFileError, RuntimeError) as error:
        raise explain(kind, error) from None
    try:
        check_opened(handle.samplerate, handle.channels, handle.frames, max_seconds)
    except DecodeError:
        handle.close()
        raise
    target = rate or min(handle.samplerate, MAX_RATE)
    return target, _decoded(handle, kind, max_seconds, alive, target)


def _decoded(
    handle: soundfile.SoundFile, kind: str, max_seconds: float, alive: Alive, target: int
) -> Iterator[Samples]:
    own = int(handle.samplerate)
    resampler = StreamResampler(own, target)
    step = max(4096, _VALUES_A_READ // handle.channels)
    claimed = handle.frames
    done = 0
    with handle:
        while True:
            try:
                block = handle.read(step, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                raise explain(kind, error, done / own) from None
            if len(block) == 0:
                break
            loudest = _check_values(block, done / own)
            done += len(block)
            if done > max_seconds * own + own:
                raise too_long(done / own, max_seconds)
            mono = block[:, 0] if block.shape[1] == 1 else block.mean(axis=1, dtype=np.float32)
            if loudest > 1.0:
                np.clip(mono, -1.0, 1.0, out=mono)
            last = done >= claimed and len(block) < step
            if not last:
                alive()
            ready = resampler.push(mono)
            if len(ready):
                yield ready
        ready = resampler.finish()
        if len(ready):
            yield ready
    _check_length(kind, done, claimed, own)


def _check_values(block: Samples, start_s: float) -> float:
    """The largest magnitude; NaN among the values would show in it."""
    loudest = peak_amplitude(block)
    if loudest <= LOUDEST:
        return loudest
    if not np.isfinite(loudest):
        raise DecodeError(
            f"it holds values that are not numbers (NaN or infinite) after {start_s:.1f} s",
            "export it again as 16-bit WAV or FLAC",
        )
    raise DecodeError(
        f"its values reach {loudest:g}, where sound lies between -1 and 1",
        "normalise it, or export it again as 16-bit WAV or FLAC",
    )


def _check_length(kind: str, done: int, claimed: int, rate: int) -> None:
    # libsndfile decodes as much of an MP3 as there is, and its own length is exact to a frame or
    # two of 1,152 samples.
    slack = 2 * 1152 if kind == "MP3" else 0
    if 0 < claimed < 1 << 60 and done + slack < claimed:
        raise DecodeError(
            f"it is cut short: {human_duration(done / rate)} of sound, "
            f"where it says {human_duration(claimed / rate)}",
            "copy or export it again",
        )
    if done < SHORTEST_S * rate:
        raise DecodeError(
            "it holds no sound" if done == 0 else f"it holds only {done} samples of sound",
            "record it again; a clip is at least 0.01 s long",
        )
