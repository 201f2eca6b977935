"""Whether an MP3 says how long it is.

libsndfile takes the length of an MP3 from its Xing, Info or VBRI header. Without one it reckons
with the bit rate of the first frame, and decodes no further than that: of a file with a variable
bit rate it then drops the rest without a word. Tables: ISO/IEC 11172-3, 2.4.2.3, and 13818-3.
"""

from __future__ import annotations

from typing import BinaryIO, NamedTuple

_V1_KBPS = {
    1: (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    2: (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    3: (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
}
_V2_KBPS = {
    1: (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    2: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    3: (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
_RATES = (44_100, 48_000, 32_000)
# Enough to see whether the rate varies, and a bound on the work.
_LOOKED_AT = 8 * 1024 * 1024
_FIND_WITHIN = 65_536


class Frame(NamedTuple):
    """One MPEG audio frame's header: its length in bytes, its bit rate in kbit/s."""

    length: int
    kbps: int


def frame_at(data: bytes, at: int) -> Frame | None:
    """The frame whose header begins at `at`; None when none does."""
    if at + 4 > len(data) or data[at] != 0xFF or data[at + 1] & 0xE0 != 0xE0:
        return None
    version = data[at + 1] >> 3 & 3  # 3: MPEG 1, 2: MPEG 2, 0: MPEG 2.5
    layer = 4 - (data[at + 1] >> 1 & 3)
    rate_index = data[at + 2] >> 2 & 3
    kbps_index = data[at + 2] >> 4
    if version == 1 or layer == 4 or rate_index == 3 or not 1 <= kbps_index <= 14:
        return None
    kbps = (_V1_KBPS if version == 3 else _V2_KBPS)[layer][kbps_index - 1]
    rate = _RATES[rate_index] // {3: 1, 2: 2, 0: 4}[version]
    padding = data[at + 2] >> 1 & 1
    if layer == 1:
        return Frame((12_000 * kbps // rate + padding) * 4, kbps)
    samples_8 = 72_000 if layer == 3 and version != 3 else 144_000
    return Frame(samples_8 * kbps // rate + padding, kbps)


def begins_as_mp3(head: bytes) -> bool:
    """Whether the first bytes of a file are a frame, and the next frame follows where it must
    (or lies beyond `head`)."""
    frame = frame_at(head, 0)
    if frame is None:
        return False
    return frame.length + 4 > len(head) or frame_at(head, frame.length) is not None


def says_its_length(file: BinaryIO) -> bool:
    """False for a variable bit rate without a header that gives the length."""
    file.seek(0)
    start = _after_id3(file.read(10))
    file.seek(start)
    data = file.read(_LOOKED_AT)
    at = _first_frame(data)
    if at is None:
        # Nothing to judge by: the decoder says what is wrong.
        return True
    frame = frame_at(data, at)
    assert frame is not None
    if any(mark in data[at : at + frame.length] for mark in (b"Xing", b"Info", b"VBRI")):
        return True
    kbps = frame.kbps
    while frame is not None:
        if frame.kbps != kbps:
            return False
        at += frame.length
        frame = frame_at(data, at)
    return True


def _after_id3(head: bytes) -> int:
    """Where an ID3v2 tag ends; 0 without one."""
    if head[:3] != b"ID3" or len(head) < 10:
        return 0
    size = 0
    for byte in head[6:10]:
        size = size << 7 | byte & 0x7F
    return 10 + size + (10 if head[5] & 0x10 else 0)


def _first_frame(data: bytes) -> int | None:
    """The first header that another follows at its right place."""
    at = data.find(b"\xff")
    while 0 <= at < _FIND_WITHIN:
        frame = frame_at(data, at)
        if frame is not None and frame_at(data, at + frame.length) is not None:
            return at
        at = data.find(b"\xff", at + 1)
    return None
