"""What a file is, from its first and last bytes, before a decoder touches it.

libsndfile knows some thirty formats, most of them of no use here and each with its own parser;
only those named below reach it. It also mends lies about length without a word: a WAV that ends
early is simply shorter, so what a file claims is compared with its bytes here.
"""

from __future__ import annotations

import os
import stat
import struct
from pathlib import Path
from typing import BinaryIO

from appliance.audio.mp3 import begins_as_mp3, says_its_length
from appliance.audio.source import MAX_CHANNELS
from appliance.errors import DecodeError
from appliance.units import human_duration, human_size

SUPPORTED = "WAV, FLAC, OGG (Vorbis, Opus), MP3 or AIFF"
MIN_RATE, MAX_FILE_RATE = 1_000, 768_000
_HEAD = 4096
_OGG_PAGE = 27 + 255 + 255 * 255
_CONVERT = f"convert it to {SUPPORTED}, for example with ffmpeg or Audacity"
# (offset, magic, what it is)
_FOREIGN = (
    (4, b"ftyp", "MPEG-4 (AAC, a phone's recording or a video)"),
    (0, b"\x1aE\xdf\xa3", "Matroska or WebM"),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11", "Windows Media"),
    (0, b"#!AMR", "AMR"),
    (0, b"caff", "Core Audio"),
    (0, b"PK\x03\x04", "a ZIP archive"),
    (0, b"\x1f\x8b", "a gzip archive"),
    (0, b"%PDF", "a PDF document"),
    (0, b"\x89PNG", "a PNG picture"),
    (0, b"\xff\xd8\xff", "a JPEG picture"),
    (0, b"GIF8", "a GIF picture"),
    (0, b"\x7fELF", "a program"),
)


def check_container(path: Path) -> str:
    """The kind of the file: "WAV", "FLAC", "OGG", "MP3" or "AIFF". Raises DecodeError."""
    try:
        # A FIFO or device must neither block here nor be read.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        raise DecodeError(
            f"it cannot be opened: {error.strerror}", "check that it exists and may be read"
        ) from None
    facts = os.fstat(descriptor)
    if not stat.S_ISREG(facts.st_mode):
        os.close(descriptor)
        raise DecodeError("it is not a regular file", "give a file with sound in it")
    with open(descriptor, "rb") as file:  # noqa: PTH123 (a descriptor, not a path)
        if facts.st_size == 0:
            raise DecodeError("it is empty (0 bytes)", "copy or record it again")
        head = file.read(_HEAD)
        kind = _kind(head)
        if kind == "WAV":
            _check_wav(file, facts.st_size)
        elif kind == "OGG":
            _check_ogg(file, facts.st_size)
        elif kind == "MP3" and not says_its_length(file):
            raise DecodeError(
                "it is an MP3 with a variable bit rate that does not say how long it is",
                "convert it with `ffmpeg -i in.mp3 out.flac`",
            )
    return kind


def _kind(head: bytes) -> str:
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:12] == b"WAVE":
        return "WAV"
    if head[:4] == b"fLaC":
        return "FLAC"
    if head[:4] == b"OggS":
        return "OGG"
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return "AIFF"
    for offset, magic, name in _FOREIGN:
        if head[offset : offset + len(magic)] == magic:
            raise DecodeError(f"it is {name}, which is not supported", _CONVERT)
    if head[:3] == b"ID3" or begins_as_mp3(head):
        return "MP3"
    if _looks_like_text(head):
        raise DecodeError("it is text, not sound, whatever its name says", f"give {SUPPORTED}")
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"FORM"):
        raise DecodeError("its header is cut short or damaged", "copy or export it again")
    raise DecodeError("it is not sound in a format that is known here", _CONVERT)


def _looks_like_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8")
    except UnicodeDecodeError as error:
        # The head may end in the middle of a character.
        if error.start < len(head) - 3:
            return False
        text = head[: error.start].decode("utf-8")
    return all(character.isprintable() or character in "\r\n\t\f\ufeff" for character in text)


def _check_wav(file: BinaryIO, size: int) -> None:
    """Walk the chunks of a RIFF/WAVE file and compare what they claim with what is there."""
    file.seek(0)
    order = ">" if file.read(4) == b"RIFX" else "<"
    file.seek(12)
    long_data = None
    seen_format = False
    for _ in range(10_000):
        header = file.read(8)
        if len(header) < 8:
            break
        name, length = struct.unpack(order + "4sI", header)
        start = file.tell()
        if name == b"ds64":
            content = file.read(16)
            if len(content) == 16:
                long_data = struct.unpack("<QQ", content)[1]
        elif name == b"fmt ":
            _check_wav_format(file.read(16), order)
            seen_format = True
        elif name == b"data":
            if length == 0xFFFFFFFF and long_data is not None:
                length = long_data
            _check_wav_data(length, size - start)
            if seen_format:
                return
        file.seek(start + length + length % 2)
    raise DecodeError(
        "its header is cut short: " + ("no sound follows" if seen_format else "no format in it"),
        "copy or export it again",
    )


def _check_wav_format(content: bytes, order: str) -> None:
    if len(content) < 16:
        raise DecodeError("its header is cut short", "copy or export it again")
    _, channels, rate = struct.unpack(order + "HHI", content[:8])
    check_format(rate, channels)


def _check_wav_data(claimed: int, there: int) -> None:
    if claimed > there:
        sizes = human_size(claimed), human_size(there)
        if sizes[0] == sizes[1]:
            sizes = f"{claimed} bytes", f"{there} bytes"
        raise DecodeError(
            f"its header claims {sizes[0]} of sound, but {sizes[1]} follow: it is "
            "cut short, or the recorder was stopped before it wrote the length",
            "copy it again; a recording whose length was never written can be mended with "
            "`ffmpeg -i in.wav out.wav`",
        )
    if claimed == 0 and there > 0:
        raise DecodeError(
            f"its header says that it holds no sound, though {human_size(there)} follow",
            "mend its header with `ffmpeg -i in.wav out.wav`",
        )


def _check_ogg(file: BinaryIO, size: int) -> None:
    """The last page must be whole and carry the end mark (RFC 3533, section 6)."""
    file.seek(max(0, size - _OGG_PAGE))
    tail = file.read()
    at = tail.rfind(b"OggS")
    page = tail[at:] if at >= 0 else b""
    whole = False
    if len(page) >= 27 and len(page) >= 27 + page[26]:
        whole = len(page) >= 27 + page[26] + sum(page[27 : 27 + page[26]])
    if not whole or not page[5] & 4:
        raise DecodeError(
            "it is cut short: the end of the stream is missing", "copy or export it again"
        )


def check_format(rate: int, channels: int) -> None:
    """Raises DecodeError for a sample rate or channel count that cannot be used."""
    if rate == 0:
        raise DecodeError("its header gives a sample rate of 0 Hz", "export it again")
    if not MIN_RATE <= rate <= MAX_FILE_RATE:
        raise DecodeError(
            f"its sample rate is {rate} Hz; {MIN_RATE} to {MAX_FILE_RATE} Hz are accepted",
            "export it at 16000 to 48000 Hz",
        )
    if not 1 <= channels <= MAX_CHANNELS:
        raise DecodeError(
            f"it has {channels} channels; 1 to {MAX_CHANNELS} are accepted",
            "export it as mono or stereo",
        )


def check_opened(rate: int, channels: int, frames: int, max_seconds: float) -> None:
    """The same for what libsndfile found, and the length. Raises DecodeError."""
    check_format(rate, channels)
    # A stream of unknown length has the largest number there is.
    if frames < 1 << 60 and frames > max_seconds * rate:
        raise too_long(frames / rate, max_seconds)


def too_long(seconds: float, max_seconds: float) -> DecodeError:
    return DecodeError(
        f"it is too long: {human_duration(seconds)}, and at most "
        f"{human_duration(max_seconds)} are accepted",
        "cut it into shorter files, or raise the setting audio.max_file_minutes",
    )


def explain(kind: str, error: Exception, at_s: float = 0.0) -> DecodeError:
    """libsndfile's error as one of ours."""
    text = str(error).rpartition("': ")[2].removeprefix("Error : ").strip().rstrip(".")
    if text.startswith("File does not exist"):
        # What libsndfile says of an MP3 without a single whole frame.
        text = "nothing in it can be decoded"
    where = f" after {at_s:.1f} s" if at_s else ""
    return DecodeError(
        f"this {kind} file is damaged or cut short{where} ({text})", "copy or export it again"
    )
