"""Files that are not the sound they claim to be, and the cause that must be named for each."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable

import numpy as np
import soundfile


def tone(seconds: float = 1.0, rate: int = 16_000, hertz: float = 440.0) -> np.ndarray:
    """A sine at -6 dBFS, float32 [n]."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def encoded(samples: np.ndarray, rate: int, form: str, subtype: str | None = None) -> bytes:
    """`samples` as a file of libsndfile's format `form`."""
    memory = io.BytesIO()
    soundfile.write(memory, samples, rate, format=form, subtype=subtype)
    return memory.getvalue()


def wav(
    data: bytes,
    *,
    rate: int = 16_000,
    channels: int = 1,
    bits: int = 16,
    claimed: int | None = None,
    code: int = 1,
) -> bytes:
    """A WAV file whose header says what it is told to say."""
    size = len(data) if claimed is None else claimed
    align = channels * bits // 8
    head = struct.pack("<HHIIHH", code, channels, rate, rate * align, align, bits)
    return (
        b"RIFF"
        + struct.pack("<I", (36 + size) & 0xFFFFFFFF)
        + b"WAVEfmt "
        + struct.pack("<I", len(head))
        + head
        + b"data"
        + struct.pack("<I", size)
        + data
    )


def _pcm(samples: np.ndarray) -> bytes:
    return (samples * 32767).astype("<i2").tobytes()


def _with(value: float) -> bytes:
    samples = tone()
    samples[5000] = value
    return wav(samples.astype("<f4").tobytes(), bits=32, code=3)


def _cut(content: bytes, share: float = 0.6) -> bytes:
    return content[: int(len(content) * share)]


# name -> (content, words that the error must contain)
BAD_FILES: dict[str, tuple[Callable[[], bytes], str]] = {
    "empty.wav": (lambda: b"", "empty"),
    "text.wav": (lambda: b"file,label\na.wav,dog\n" * 40, "text"),
    "noise.bin": (lambda: np.random.default_rng(1).bytes(5000), "not sound"),
    "header-only.wav": (lambda: wav(b"", claimed=0)[:30], "header is cut short"),
    "riff.wav": (lambda: b"RIFF\x10\x00", "cut short"),
    "no-sound.wav": (lambda: wav(b""), "no sound"),
    "truncated.wav": (lambda: _cut(wav(_pcm(tone()))), "cut short"),
    "truncated.flac": (lambda: _cut(encoded(tone(3), 16_000, "FLAC")), "cut short"),
    "truncated.ogg": (lambda: _cut(encoded(tone(3), 16_000, "OGG", "VORBIS")), "cut short"),
    "truncated.mp3": (lambda: _cut(encoded(tone(3), 16_000, "MP3")), "cut short"),
    "0hz.wav": (lambda: wav(_pcm(tone()), rate=0), "0 Hz"),
    "claims-2gb.wav": (lambda: wav(_pcm(tone()), claimed=2_000_000_000), "claims 2.0 GB"),
    "claims-nothing.wav": (lambda: wav(_pcm(tone()), claimed=0), "says that it holds no sound"),
    "nan.wav": (lambda: _with(float("nan")), "not numbers"),
    "infinite.wav": (lambda: _with(float("inf")), "not numbers"),
    "huge-values.wav": (lambda: _with(20_000.0), "values reach 20000"),
    "32-channels.wav": (lambda: wav(bytes(64 * 1000), channels=32), "32 channels"),
    "0-channels.wav": (lambda: wav(bytes(1000), channels=0), "0 channels"),
    "1hz.wav": (lambda: wav(_pcm(tone()), rate=1), "sample rate is 1 Hz"),
    "five-samples.wav": (lambda: wav(bytes(10)), "only 5 samples"),
    "phone.m4a": (lambda: b"\x00\x00\x00\x20ftypM4A " + bytes(500), "MPEG-4"),
    "page.pdf": (lambda: b"%PDF-1.7\n" + bytes(500), "PDF"),
    "archive.zip": (lambda: b"PK\x03\x04" + bytes(500), "ZIP"),
}
