"""The small parts: levels, resampling, FLAC, the wire, sources, MP3 frames."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.audio.flac import read_flac, to_int16, write_flac
from appliance.audio.level import AdaptiveLevel, peak_dbfs, rms_dbfs
from appliance.audio.liveness import Liveness
from appliance.audio.mp3 import Frame, frame_at
from appliance.audio.resample import StreamResampler, resample
from appliance.audio.source import Block, SourceSpec, StreamFormat, parse_source
from appliance.audio.wire import BlockReader, BlockWriter, Ending, WireError
from appliance.errors import DecodeError, InvalidInput
from tests.bad_files import tone


def test_levels() -> None:
    assert rms_dbfs(np.zeros(0, "f4")) == rms_dbfs(np.zeros(10, "f4")) == -120
    assert peak_dbfs(np.zeros(0, "f4")) == peak_dbfs(np.zeros(10, "f4")) == -120
    assert rms_dbfs(np.full(1000, -0.1, "f4")) == pytest.approx(-20, abs=1e-4)
    assert peak_dbfs(np.array([0.1, -0.5, 0.2], "f4")) == pytest.approx(-6.02, abs=0.01)
    assert rms_dbfs(np.full((100, 2), 1.0, "f4")) == pytest.approx(0, abs=1e-4)


def test_the_background_ignores_what_is_loud_for_a_while_and_learns_what_stays() -> None:
    level = AdaptiveLevel(window_s=10, percentile=30)
    assert level.push(-50, 0.5) is None
    for _ in range(30):
        level.push(-50, 0.5)
    for _ in range(10):
        assert level.push(-10, 0.5) == pytest.approx(-50)
    for _ in range(20):
        level.push(-30, 0.5)
    assert level.dbfs == pytest.approx(-30)
    for _ in range(20):
        level.push(-120, 0.5)
    assert level.dbfs == -80


def test_liveness_names_silence_and_a_stuck_value() -> None:
    live = Liveness(after_s=1)
    noise = np.random.default_rng(0).standard_normal((100, 2)).astype("f4")
    zeros, stuck = np.zeros((100, 2), "f4"), np.full((100, 2), 0.2, "f4")
    assert live.push(noise, 10) == "running"
    assert [live.push(zeros, 0.5) for _ in range(3)] == ["running", "silent", "silent"]
    assert [live.push(stuck, 0.5) for _ in range(3)] == ["running", "stuck", "stuck"]
    assert live.push(noise, 0.5) == "running"
    # Full of square waves, each block constant: not stuck.
    assert [live.push(stuck * (-1) ** n, 0.5) for n in range(4)] == ["running"] * 4


@pytest.mark.parametrize(("low", "high"), [(48_000, 16_000), (44_100, 16_000), (8_000, 48_000)])
def test_pieces_joined_equal_the_whole_resampled(low: int, high: int) -> None:
    sound = (np.random.default_rng(0).standard_normal(low) * 0.1).astype("f4")
    whole = resample(sound, low, high)
    assert len(whole) == high
    stream = StreamResampler(low, high)
    random = np.random.default_rng(1)
    parts, at = [], 0
    while at < len(sound):
        size = int(random.integers(1, 3_000))
        parts.append(stream.push(sound[at : at + size]))
        at += size
    parts.append(stream.finish())
    joined = np.concatenate(parts)
    assert len(joined) == len(whole)
    np.testing.assert_allclose(joined, whole, atol=1e-5)


def test_an_equal_rate_changes_nothing() -> None:
    sound = tone()
    assert resample(sound, 16_000, 16_000) is sound
    stream = StreamResampler(16_000, 16_000)
    assert stream.push(sound) is sound
    assert len(stream.finish()) == 0


def test_16_bits_come_back_exactly_and_what_is_too_loud_is_clipped() -> None:
    every = np.arange(-32_768, 32_768, dtype="<i2")
    np.testing.assert_array_equal(to_int16(every.astype("f4") / 32_768), every)
    assert to_int16(np.array([1.0, -1.0, 9.0, -9.0], "f4")).tolist() == [
        *(32_767, -32_768, 32_767, -32_768)
    ]


def test_flac_round_trip(tmp_path: Path) -> None:
    sound = tone(2)
    piece = write_flac(sound, 16_000, tmp_path / "a.flac", start_s=7)
    assert (piece.start_s, piece.duration_s, piece.rate) == (7, 2, 16_000)
    samples, rate = read_flac(piece.path)
    assert rate == 16_000
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, sound, atol=2**-15)
    assert piece.path.stat().st_mode & 0o777 == 0o600


def test_flac_at_a_high_rate_is_kept_at_48_khz(tmp_path: Path) -> None:
    piece = write_flac(tone(1, 96_000), 96_000, tmp_path / "a.flac")
    assert (piece.rate, piece.duration_s) == (48_000, 1)
    assert soundfile.info(piece.path).samplerate == 48_000


def test_flac_refuses_and_leaves_nothing(tmp_path: Path) -> None:
    for samples in (np.zeros(0, "f4"), np.zeros((10, 2), "f4")):
        with pytest.raises(InvalidInput):
            write_flac(samples, 16_000, tmp_path / "a.flac")
    (tmp_path / "there.flac").write_bytes(b"precious")
    with pytest.raises(FileExistsError):
        write_flac(tone(), 16_000, tmp_path / "there.flac")
    assert (tmp_path / "there.flac").read_bytes() == b"precious"
    assert [file.name for file in tmp_path.iterdir()] == ["there.flac"]
    for broken in ("there.flac", "missing.flac"):
        with pytest.raises(DecodeError, match=broken):
            read_flac(tmp_path / broken)


def pipe() -> tuple[int, int]:
    read, write = os.pipe()
    os.set_blocking(read, False)
    return read, write


def test_the_wire_carries_blocks_bit_by_bit() -> None:
    read, write = pipe()
    writer, reader = BlockWriter(write), BlockReader(read)
    assert reader.next(0) is None
    writer.opened(StreamFormat(48_000, 2, 4.0), "default")
    samples = np.random.default_rng(0).integers(-32_768, 32_767, (100, 2)) / np.float32(32_768)
    writer.block(Block(samples.astype("f4"), 2**40, 2**60, 17))
    writer.ending(Ending("busy", "é", "wait"))
    os.close(write)
    assert reader.next(1) == StreamFormat(48_000, 2, 4.0)
    block = reader.next(1)
    assert isinstance(block, Block)
    assert (block.frame, block.captured_ns, block.lost) == (2**40, 2**60, 17)
    np.testing.assert_array_equal(block.samples, samples)
    assert reader.next(1) == Ending("busy", "é", "wait")
    with pytest.raises(EOFError):
        reader.next(1)
    os.close(read)


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello world, this is no message",
        struct.pack("<cI", b"B", 2**31),
        struct.pack("<cI", b"F", 2) + b"{}",
        struct.pack("<cI", b"E", 2) + b"[]",
        struct.pack("<cI", b"B", 40) + bytes(40),
    ],
)
def test_the_wire_refuses_nonsense(nonsense: bytes) -> None:
    read, write = pipe()
    os.write(write, nonsense)
    with pytest.raises(WireError):
        BlockReader(read).next(1)
    os.close(read)
    os.close(write)


def test_sources() -> None:
    assert parse_source("default") == SourceSpec("device", "default", {})
    assert parse_source("usb:1-2.3:AB-C,1?rate=16000&channels=2") == SourceSpec(
        "device", "usb:1-2.3:AB-C,1", {"rate": 16_000, "channels": 2}
    )
    assert parse_source("replay:/a b/ä.wav?speed=4&loop=1") == SourceSpec(
        "replay", "/a b/ä.wav", {"speed": 4, "loop": 1}
    )
    assert parse_source("replay:what?.wav").target == "what?.wav"
    for bad in ("", "replay:", "a\nb", "default?speed=1", "replay:a?loop=7", "default?rate=x"):
        with pytest.raises(InvalidInput) as caught:
            parse_source(bad)
        assert caught.value.advice


def test_mp3_frames_by_the_tables_of_the_standard() -> None:
    # MPEG 1 layer III, 128 kbit/s, 44.1 kHz: 417 bytes, 418 with padding.
    assert frame_at(b"\xff\xfb\x90\x00", 0) == Frame(417, 128)
    assert frame_at(b"\xff\xfb\x92\x00", 0) == Frame(418, 128)
    # MPEG 2 layer III, 64 kbit/s, 22.05 kHz; MPEG 1 layer I, 384 kbit/s, 44.1 kHz.
    assert frame_at(b"\xff\xf3\x80\x00", 0) == Frame(208, 64)
    assert frame_at(b"\xff\xff\xc0\x00", 0) == Frame(416, 384)
    for nothing in (
        b"\xff\xfb\xf0\x00",
        b"\xff\xfb\x9c\x00",
        b"\xff\xe9\x90\x00",
        b"RIFF",
        b"\xff",
    ):
        assert frame_at(nothing, 0) is None
