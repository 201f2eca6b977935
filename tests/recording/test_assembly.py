"""Parts join without a missing sample, and say what is missing where something is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from appliance.audio.source import Chunk
from appliance.recording.assembly import Assembly, Part

RATE = 1000
NS = 1_000_000_000


def chunks(count: int, *, size: int = 100, first: int = 0, stream: int = 1) -> list[Chunk]:
    """`count` chunks of 0.1 s whose samples are their frame numbers."""
    made = []
    for frame in range(first, first + count * size, size):
        samples = np.arange(frame, frame + size, dtype=np.float32)
        made.append(Chunk("m", stream, RATE, samples, frame, frame * NS // RATE))
    return made


def gather(assembly: Assembly, given: list[Chunk]) -> list[Part]:
    parts = [part for chunk in given for part in assembly.push(chunk)]
    return parts + assembly.finish()


def test_a_long_recording_becomes_consecutive_parts() -> None:
    parts = gather(Assembly(longest_s=1.25), chunks(33))
    assert [len(part.samples) for part in parts] == [1250, 1250, 800]
    np.testing.assert_array_equal(
        np.concatenate([part.samples for part in parts]), np.arange(3300, dtype=np.float32)
    )
    assert [part.frame for part in parts] == [0, 1250, 2500]
    assert [part.start_s for part in parts] == [0, 1.25, 2.5]
    assert [part.captured_ns for part in parts] == [part.frame * NS // RATE for part in parts]


@pytest.mark.parametrize("seconds", [0.05, 0.1, 1.0, 1.234])
def test_so_many_seconds_are_so_many_frames(seconds: float) -> None:
    assembly = Assembly(seconds)
    (part,) = gather(assembly, chunks(20, first=700))
    assert assembly.done
    assert len(part.samples) == round(seconds * RATE)
    assert part.frame == 700
    assert assembly.elapsed_s == pytest.approx(seconds)


def test_the_end_comes_with_the_chunk_that_completes_it() -> None:
    assembly = Assembly(1.0)
    for chunk in chunks(9):
        assert assembly.push(chunk) == []
        assert not assembly.done
    (part,) = assembly.push(chunks(1, first=900)[0])
    assert assembly.done
    assert len(part.samples) == 1000
    assert assembly.push(chunks(1, first=1000)[0]) == []
    assert assembly.finish() == []


def test_what_ring_and_stream_both_give_is_taken_once() -> None:
    ring = replace(chunks(1)[0], samples=np.arange(0, 550, dtype=np.float32))
    (part,) = gather(Assembly(), [ring, *chunks(6, first=100)])
    np.testing.assert_array_equal(part.samples, np.arange(700, dtype=np.float32))


def test_a_short_gap_is_silence_in_its_place_and_counted() -> None:
    given = chunks(10)
    del given[3:6]
    assembly = Assembly()
    (part,) = gather(assembly, given)
    expected = np.arange(1000, dtype=np.float32)
    expected[300:600] = 0
    np.testing.assert_array_equal(part.samples, expected)
    assert part.lost_frames == assembly.lost_frames == 300
    assert assembly.elapsed_s == pytest.approx(1.0)


def test_a_long_gap_ends_the_part_and_time_goes_on() -> None:
    given = chunks(30)
    del given[5:15]
    assembly = Assembly()
    before, after = gather(assembly, given)
    assert (before.frame, len(before.samples)) == (0, 500)
    assert (after.frame, len(after.samples)) == (1500, 1500)
    assert after.start_s == pytest.approx(1.5)
    assert before.lost_frames == after.lost_frames == 0
    assert assembly.lost_frames == 1000


def test_a_reopened_microphone_is_a_new_part_of_the_same_recording() -> None:
    assembly = Assembly(3.0)
    again = chunks(30, stream=2)
    again[0] = replace(again[0], lost=800)
    before, after = gather(assembly, [*chunks(10), *again])
    assert (before.stream, len(before.samples)) == (1, 1000)
    assert (after.stream, after.frame, len(after.samples)) == (2, 0, 1200)
    assert after.start_s == pytest.approx(1.8)
    assert (assembly.gap_s, assembly.lost_frames) == (0.8, 0)
    assert assembly.elapsed_s == pytest.approx(3.0)


def test_nothing_recorded_is_no_part() -> None:
    assembly = Assembly()
    assert assembly.finish() == []
    assert assembly.elapsed_s == 0
