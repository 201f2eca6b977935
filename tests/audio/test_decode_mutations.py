"""Damaged files of every kind: each decodes or is refused with a cause; no child dies of one."""

from __future__ import annotations

import random
from pathlib import Path

from appliance.audio.decode import Decoder
from appliance.errors import DecodeError
from tests.bad_files import encoded, tone

COUNT = 300
FORMS = (
    ("WAV", "PCM_16", 8_000),
    ("WAV", "FLOAT", 8_000),
    ("WAV", "MS_ADPCM", 8_000),
    ("RF64", "PCM_16", 8_000),
    ("AIFF", "PCM_16", 16_000),
    ("FLAC", "PCM_16", 16_000),
    ("OGG", "VORBIS", 16_000),
    ("OGG", "OPUS", 16_000),
    ("MP3", "MPEG_LAYER_III", 16_000),
)
EXTREMES = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\xff\xff\xff\x7f", b"\x00\x00\x00\x80")


def mutated(content: bytes, chance: random.Random) -> bytes:
    """A few bytes set, removed or inserted, half of them in the header; or the end cut off."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 2, 5, 20))):
        at = chance.randrange(len(data) if chance.random() < 0.5 else min(200, len(data)))
        kind = chance.random()
        if kind < 0.6:
            data[at] = chance.randrange(256)
        elif kind < 0.7:
            del data[at : at + chance.randrange(50)]
        elif kind < 0.8:
            data[at:at] = chance.randbytes(chance.randrange(50))
        elif kind < 0.95:
            data[at : at + 4] = chance.choice(EXTREMES)
        else:
            del data[at:]
        if not data:
            return b""
    return bytes(data)


def test_no_damage_harms_a_decoder(tmp_path: Path) -> None:
    originals = [encoded(tone(0.4, rate), rate, form, kind) for form, kind, rate in FORMS]
    chance = random.Random(7)
    out = tmp_path / "out"
    out.mkdir()
    decoder = Decoder(1)
    decoder.start()
    children = list(decoder._idle)
    decoded = 0
    refused: list[DecodeError] = []
    try:
        for index in range(COUNT):
            file = tmp_path / "upload"
            file.write_bytes(mutated(originals[index % len(originals)], chance))
            try:
                for piece in decoder.to_flac(file, out):
                    piece.path.unlink()
                decoded += 1
            except DecodeError as error:
                refused.append(error)
        assert decoder._idle == children, "none had to be replaced"
    finally:
        decoder.close()
    assert list(out.iterdir()) == []
    # Both ways were walked, or the mutations are too weak or too strong to show anything.
    assert decoded > COUNT / 20
    assert len(refused) > COUNT / 3
    assert all(error.message and error.advice for error in refused)
