"""Foreign files: what decodes, and what is refused with which words."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from appliance.audio.decode import Decoder
from appliance.audio.flac import read_flac
from appliance.errors import DecodeError, InvalidInput, LowSpace
from tests.bad_files import BAD_FILES, encoded, tone, wav


@pytest.fixture(scope="module")
def decoder() -> Iterator[Decoder]:
    made = Decoder(2)
    made.start()
    yield made
    made.close()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def peak_hertz(samples: np.ndarray, rate: int) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.argmax(spectrum) * rate / len(samples))


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_refused_with_its_cause_and_an_advice(
    decoder: Decoder, tmp_path: Path, out: Path, name: str
) -> None:
    make, words = BAD_FILES[name]
    file = tmp_path / name
    file.write_bytes(make())
    with pytest.raises(DecodeError) as caught:
        decoder.to_flac(file, out)
    assert words in caught.value.message
    assert caught.value.advice
    assert list(out.iterdir()) == []
    with pytest.raises(DecodeError):
        decoder.to_pcm(file, 16_000)


def test_what_is_no_file_is_refused(decoder: Decoder, tmp_path: Path, out: Path) -> None:
    os.mkfifo(tmp_path / "fifo.wav")
    for path, words in (
        (tmp_path / "fifo.wav", "not a regular file"),
        (tmp_path, "not a regular file"),
        (tmp_path / "nothing.wav", "cannot be opened"),
    ):
        with pytest.raises(DecodeError, match=words):
            decoder.to_flac(path, out)


def test_too_long_is_refused_before_it_is_decoded(
    decoder: Decoder, tmp_path: Path, out: Path
) -> None:
    file = tmp_path / "long.wav"
    # Sparse: two hours of zeros that take no space.
    with file.open("wb") as writer:
        writer.write(wav(b"", rate=8000, claimed=2 * 3600 * 8000 * 2))
        writer.truncate(44 + 2 * 3600 * 8000 * 2)
    with pytest.raises(DecodeError, match="too long: 2 h, and at most 1 h"):
        decoder.to_flac(file, out, max_seconds=3600)
    with pytest.raises(DecodeError, match="too long"):
        decoder.to_pcm(file, 16_000, max_seconds=60)


@pytest.mark.parametrize(
    ("form", "subtype", "rate", "channels"),
    [
        ("WAV", "PCM_U8", 8_000, 1),
        ("WAV", "PCM_16", 44_100, 2),
        ("WAV", "PCM_24", 48_000, 8),
        ("WAV", "FLOAT", 16_000, 1),
        ("WAVEX", "PCM_32", 22_050, 3),
        ("RF64", "PCM_16", 16_000, 1),
        ("WAV", "ULAW", 8_000, 1),
        ("WAV", "PCM_16", 192_000, 2),
        ("FLAC", "PCM_24", 96_000, 2),
        ("OGG", "VORBIS", 44_100, 2),
        ("OGG", "OPUS", 48_000, 1),
        ("MP3", "MPEG_LAYER_III", 44_100, 2),
        ("MP3", "MPEG_LAYER_III", 16_000, 1),
        ("AIFF", "PCM_16", 32_000, 1),
    ],
)
def test_every_format_rate_and_channel_count_becomes_mono_16_bit_flac(
    decoder: Decoder,
    tmp_path: Path,
    out: Path,
    form: str,
    subtype: str,
    rate: int,
    channels: int,
) -> None:
    sound = np.repeat(tone(1.5, rate, 1000.0)[:, None], channels, axis=1)
    file = tmp_path / "upload-without-a-suffix"
    file.write_bytes(encoded(sound, rate, form, subtype))
    (piece,) = decoder.to_flac(file, out)
    facts = soundfile.info(piece.path)
    expected = min(rate, 48_000)
    assert (facts.format, facts.subtype, facts.channels) == ("FLAC", "PCM_16", 1)
    assert facts.samplerate == piece.rate == expected
    assert piece.duration_s == pytest.approx(1.5, abs=0.06)
    assert facts.frames == round(piece.duration_s * piece.rate)
    samples, _ = read_flac(piece.path)
    assert peak_hertz(samples, expected) == pytest.approx(1000, abs=2)
    assert piece.rms_dbfs == pytest.approx(20 * math.log10(0.5 / math.sqrt(2)), abs=0.3)
    # Opus overshoots where the tone begins.
    assert piece.peak_dbfs == pytest.approx(20 * math.log10(np.abs(samples).max()), abs=0.01)
    assert piece.sha256 == hashlib.sha256(piece.path.read_bytes()).hexdigest()
    pcm, _ = soundfile.read(piece.path, dtype="int16")
    sound = f"{piece.rate}:".encode() + pcm.astype("<i2").tobytes()
    assert piece.pcm_sha256 == hashlib.sha256(sound).hexdigest()


def test_channels_are_averaged(decoder: Decoder, tmp_path: Path, out: Path) -> None:
    left, right = tone(1, 16_000, 500), np.zeros(16_000, "f4")
    soundfile.write(tmp_path / "a.wav", np.stack([left, right], axis=1), 16_000, subtype="FLOAT")
    (piece,) = decoder.to_flac(tmp_path / "a.wav", out)
    samples, _ = read_flac(piece.path)
    np.testing.assert_allclose(samples, left / 2, atol=2**-15)


def test_a_long_sound_becomes_consecutive_pieces(
    decoder: Decoder, tmp_path: Path, out: Path
) -> None:
    ramp = ((np.arange(130 * 8000) % 60_000) - 30_000).astype("<i2")
    soundfile.write(tmp_path / "long.wav", ramp, 8000, subtype="PCM_16")
    pieces = decoder.to_flac(tmp_path / "long.wav", out)
    assert [(piece.start_s, piece.duration_s) for piece in pieces] == [(0, 60), (60, 60), (120, 10)]
    joined = np.concatenate([soundfile.read(piece.path, dtype="int16")[0] for piece in pieces])
    np.testing.assert_array_equal(joined, ramp)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(5.001, [5.001]), (10.05, [5, 5.05]), (10.2, [5, 5, 0.2]), (10, [5, 5]), (0.05, [0.05])],
)
def test_an_end_too_short_to_be_a_clip_stays_with_the_piece_before(
    decoder: Decoder, tmp_path: Path, out: Path, seconds: float, expected: list[float]
) -> None:
    soundfile.write(tmp_path / "a.wav", tone(seconds, 8000), 8000)
    pieces = decoder.to_flac(tmp_path / "a.wav", out, piece_seconds=5)
    assert [piece.duration_s for piece in pieces] == pytest.approx(expected)


def test_a_piece_length_that_makes_no_sense_is_refused(decoder: Decoder, out: Path) -> None:
    for seconds in (0, -1, 61, math.nan):
        with pytest.raises(InvalidInput, match="clips of"):
            decoder.to_flac(Path("a.wav"), out, piece_seconds=seconds)


def test_real_recordings_keep_their_sound(decoder: Decoder, test_data: Path, out: Path) -> None:
    files = sorted((test_data / "esc10").rglob("*.ogg"))[::80]
    assert len(files) == 5
    for file in files:
        (piece,) = decoder.to_flac(file, out)
        expected, rate = soundfile.read(file, dtype="float32")
        samples, own = read_flac(piece.path)
        assert own == rate == 44_100
        np.testing.assert_allclose(samples, np.clip(expected, -1, 1), atol=2**-15)


def test_real_digits_are_bit_exact(decoder: Decoder, test_data: Path, out: Path) -> None:
    with (test_data / "fsdd" / "labels.csv").open() as file:
        rows = list(csv.DictReader(file))[::300]
    assert len(rows) == 10
    for row in rows:
        path = test_data / "fsdd" / row["file"]
        (piece,) = decoder.to_flac(path, out)
        expected, rate = soundfile.read(path, dtype="int16")
        got, own = soundfile.read(piece.path, dtype="int16")
        assert own == rate == 8000
        np.testing.assert_array_equal(got, expected)


def test_the_same_file_twice_has_the_same_hashes(
    decoder: Decoder, test_data: Path, out: Path
) -> None:
    file = next((test_data / "esc10").rglob("*.ogg"))
    with ThreadPoolExecutor(4) as threads:
        pieces = [found for (found,) in threads.map(lambda _: decoder.to_flac(file, out), range(8))]
    assert len({piece.path for piece in pieces}) == 8
    assert len({(piece.sha256, piece.pcm_sha256) for piece in pieces}) == 1


def test_to_pcm_gives_the_asked_rate(decoder: Decoder, tmp_path: Path) -> None:
    sound = np.repeat(tone(3, 44_100, 1000.0)[:, None], 2, axis=1)
    soundfile.write(tmp_path / "a.flac", sound, 44_100)
    samples = decoder.to_pcm(tmp_path / "a.flac", 16_000)
    assert samples.dtype == np.float32
    assert samples.shape == (48_000,)
    np.testing.assert_allclose(samples[1000:-1000], tone(3, 16_000, 1000.0)[1000:-1000], atol=1e-3)
    # It is the caller's own memory.
    samples *= 2


def test_a_variable_mp3_without_its_length_is_refused_rather_than_cut(
    decoder: Decoder, tmp_path: Path, out: Path
) -> None:
    noise = np.random.default_rng(0).standard_normal(44_100 * 3).astype("f4") * 0.2
    sound = np.concatenate([noise, np.zeros(44_100 * 3, "f4"), noise])
    file = tmp_path / "a.mp3"
    with soundfile.SoundFile(
        file, "w", 44_100, 1, format="MP3", bitrate_mode="VARIABLE", compression_level=0.3
    ) as writer:
        writer.write(sound)
    (piece,) = decoder.to_flac(file, out)
    assert piece.duration_s == pytest.approx(9, abs=0.1)
    content = file.read_bytes()
    assert b"Xing" in content[:200]
    file.write_bytes(content[content.index(b"\xff\xfb", 100) :])
    with pytest.raises(DecodeError, match="variable bit rate"):
        decoder.to_flac(file, out)


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small disk needs root")
def test_a_full_disk_is_said_and_leaves_nothing(
    decoder: Decoder, tmp_path: Path, test_data: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(disk)]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        file = next((test_data / "esc10").rglob("*.ogg"))
        with pytest.raises(LowSpace, match="disk is full"):
            decoder.to_flac(file, disk)
        assert list(disk.iterdir()) == []
        soundfile.write(tmp_path / "small.wav", tone(0.1), 16_000)
        assert len(decoder.to_flac(tmp_path / "small.wav", disk)) == 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)
