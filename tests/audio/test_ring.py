"""The ring: pre-roll that never joins what a gap parts."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.audio.ring import Ring
from appliance.audio.source import Chunk

RATE = 1_000
START_NS = 5_000_000_000


def chunk(frame: int, count: int, *, stream: int = 1, lost: int = 0, speed: float = 1.0) -> Chunk:
    samples = np.arange(frame, frame + count, dtype=np.float32)
    moment = START_NS + round(frame * 1e9 / (RATE * speed))
    return Chunk("mic", stream, RATE, samples, frame, moment, lost, speed)


def filled(count: int, seconds: float = 1.0, speed: float = 1.0) -> Ring:
    ring = Ring(seconds)
    for frame in range(0, count, 100):
        ring.append(chunk(frame, 100, speed=speed))
    return ring


def test_an_empty_ring_gives_nothing() -> None:
    ring = Ring(1)
    for stretch in (ring.last(1), ring.since(0), ring.from_frame(0)):
        assert len(stretch.samples) == 0
        assert stretch.rate == 0


def test_it_keeps_at_least_its_seconds_and_hardly_more() -> None:
    kept = filled(10_000).last(99)
    assert 1_000 <= len(kept.samples) <= 1_100
    assert kept.samples[-1] == 9_999
    assert kept.frame == kept.samples[0]


def test_last_and_from_frame_are_exact() -> None:
    ring = filled(3_000)
    kept = ring.last(0.25)
    assert (kept.frame, len(kept.samples), kept.samples[0]) == (2_750, 250, 2_750)
    assert kept.captured_ns == START_NS + 2_750_000_000
    assert ring.from_frame(2_950).samples.tolist() == list(range(2_950, 3_000))
    assert len(ring.from_frame(3_000).samples) == 0


@pytest.mark.parametrize("speed", [1.0, 4.0])
def test_since_finds_a_moment_of_the_clock(speed: float) -> None:
    ring = filled(3_000, speed=speed)
    wanted = 2_345
    moment = START_NS + round(wanted * 1e9 / (RATE * speed))
    stretch = ring.since(moment)
    assert (stretch.frame, stretch.samples[0], stretch.captured_ns) == (wanted, wanted, moment)
    # Further back than it reaches: all it has. In the future: nothing, at the right place.
    assert ring.since(0).frame == ring.last(99).frame
    future = ring.since(START_NS + 10**12)
    assert (len(future.samples), future.frame) == (0, 3_000)


def test_a_loss_or_a_new_stream_begins_it_anew() -> None:
    ring = filled(500)
    ring.append(chunk(700, 100, lost=200))
    assert ring.last(99).frame == 700
    ring.append(chunk(800, 100))
    assert len(ring.last(99).samples) == 200
    ring.append(chunk(0, 50, stream=2))
    assert (ring.last(99).frame, len(ring.last(99).samples)) == (0, 50)
