"""Clips on disk: mono 16-bit FLAC, hashed, and written so that nothing half-done stays."""

from __future__ import annotations

import hashlib
import mmap
import os
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import soundfile

from appliance import units
from appliance.audio.fingerprint import Fingerprint, fingerprint
from appliance.audio.level import peak_amplitude, rms_dbfs
from appliance.audio.resample import resample
from appliance.audio.source import Samples
from appliance.errors import DecodeError, InvalidInput

MAX_RATE = 48_000


@dataclass(frozen=True)
class Piece:
    """A FLAC file that was just written, and what it holds.

    sha256: of the file. pcm_sha256: of its rate and 16-bit little-endian samples, the same
    whichever version of the encoder wrote it. start_s: where it lay in the file or recording
    that it comes from. durable: whether its content was fsynced, which is the library's part
    (`library/durable.py`). fingerprint: by which copies of the sound are found, None where nobody
    asked for it.
    """

    path: Path
    sha256: str
    pcm_sha256: str
    start_s: float
    duration_s: float
    rate: int
    peak_dbfs: float
    rms_dbfs: float
    durable: bool = False
    fingerprint: Fingerprint | None = field(default=None, compare=False, repr=False)


def to_int16(samples: Samples, peak: float | None = None) -> npt.NDArray[np.int16]:
    """float32 in -1..1 to 16 bits; what came from 16 bits comes back exactly; clips beyond.

    peak: the largest magnitude, where it is known already.
    """
    scaled = samples * np.float32(32768.0)
    np.rint(scaled, out=scaled)
    if peak is None or peak * 32768.0 > 32767.0:
        np.minimum(scaled, np.float32(32767.0), out=scaled)
        np.maximum(scaled, np.float32(-32768.0), out=scaled)
    pcm: npt.NDArray[np.int16] = scaled.astype("<i2")
    return pcm


def write_flac(
    samples: Samples, rate: int, path: Path, *, start_s: float = 0.0, identify: bool = True
) -> Piece:
    """Write float32 [n] mono as FLAC at `path`, which must not exist.

    Sound at more than 48 kHz is resampled to 48 kHz: no clip holds more. On an error no file
    stays behind. It is not durable yet: the fsyncs and the move to the final name are the
    library's, which gathers those of a batch.

    identify: compute its fingerprint, while the samples are at hand.

    Raises InvalidInput on an impossible rate or shape, OSError when the disk refuses.
    """
    if samples.ndim != 1 or len(samples) == 0 or rate < 1:
        raise InvalidInput(
            f"a clip cannot be made of samples of shape {samples.shape} at {rate} Hz",
            "give mono sound",
        )
    if rate > MAX_RATE:
        samples, rate = resample(samples, rate, MAX_RATE), MAX_RATE
    peak = peak_amplitude(samples)
    pcm = to_int16(samples, peak)
    # Encoded in memory first: libsndfile does not report every failed write to a disk.
    memory = os.memfd_create("earmark-flac", os.MFD_CLOEXEC)
    try:
        with soundfile.SoundFile(
            memory, "w", rate, 1, "PCM_16", format="FLAC", closefd=False
        ) as encoder:
            encoder.write(pcm)
        size = os.fstat(memory).st_size
        with mmap.mmap(memory, size, prot=mmap.PROT_READ) as content:
            sha256 = hashlib.sha256(content).hexdigest()
        _write_new(path, memory, size)
    finally:
        os.close(memory)
    return Piece(
        path=path,
        sha256=sha256,
        pcm_sha256=_sound_hash(rate, pcm),
        start_s=start_s,
        duration_s=len(samples) / rate,
        rate=rate,
        peak_dbfs=units.dbfs(peak),
        rms_dbfs=rms_dbfs(samples),
        fingerprint=fingerprint(samples, rate) if identify else None,
    )


def _sound_hash(rate: int, pcm: npt.NDArray[np.int16]) -> str:
    sound = hashlib.sha256(f"{rate}:".encode())
    sound.update(pcm.data)
    return sound.hexdigest()


def describe_flac(path: Path, sha256: str) -> Piece:
    """A clip of ours that lies on disk as the piece that it was when it was written; `sha256`: of
    the file, which the caller has read. Raises DecodeError."""
    samples, rate = read_flac(path)
    if not len(samples):
        raise DecodeError(f"the clip {path.name} is empty")
    peak = peak_amplitude(samples)
    return Piece(
        path=path,
        sha256=sha256,
        pcm_sha256=_sound_hash(rate, to_int16(samples, peak)),
        start_s=0.0,
        duration_s=len(samples) / rate,
        rate=rate,
        peak_dbfs=units.dbfs(peak),
        rms_dbfs=rms_dbfs(samples),
        durable=True,
    )


def _write_new(path: Path, memory: int, size: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        done = 0
        while done < size:
            done += os.sendfile(descriptor, memory, done, size - done)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    finally:
        os.close(descriptor)


def read_flac(path: Path) -> tuple[Samples, int]:
    """A clip of ours: float32 [n] in -1..1 and its rate.

    For files that this program wrote; anything foreign goes through `decode.Decoder`.
    Raises DecodeError when the file is damaged or gone.
    """
    try:
        samples, rate = soundfile.read(path, dtype="float32", always_2d=False)
    except (soundfile.SoundFileError, OSError, RuntimeError) as error:
        raise DecodeError(
            f"the clip {path.name} cannot be read: {error}",
            "restore it from a backup, or delete the clip",
        ) from error
    if samples.ndim != 1:
        samples = samples.mean(axis=1, dtype=np.float32)
    return np.asarray(samples, dtype=np.float32), int(rate)
