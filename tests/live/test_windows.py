"""Windows hold exactly the sound they say, end when they say, and never span a gap."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from appliance.audio.resample import resample
from appliance.audio.source import Chunk
from appliance.live.windows import Place, WindowStream

NS = 1_000_000_000
BOOT_NS = 5 * NS  # when frame 0 was captured


def chunks(
    samples: np.ndarray, rate: int, size: int, *, stream: int = 0, first: int = 0
) -> list[Chunk]:
    """The signal as chunks of `size` frames, the first with frame number `first`."""
    made = []
    for at in range(0, len(samples), size):
        frame = first + at
        moment = BOOT_NS + frame * NS // rate
        made.append(Chunk("m", stream, rate, samples[at : at + size], frame, moment))
    return made


def counter(frames: int) -> np.ndarray:
    """Samples that say which frame they are."""
    return np.arange(frames, dtype=np.float32)


@pytest.mark.parametrize("size", [100, 160, 333, 1600, 50_000])
def test_windows_overlap_and_hold_every_sample_in_order(size: int) -> None:
    stream = WindowStream(16_000, window=4_000, hop=1_600)
    windows = [w for chunk in chunks(counter(40_000), 16_000, size) for w in stream.push([chunk])]
    ends = [w.frame for w in windows]
    assert ends[0] - 4_000 < 1_600, "no whole window before the first one"
    assert ends == list(range(ends[0], 40_001, 1_600))
    for window in windows:
        expected = counter(40_000)[window.frame - 4_000 : window.frame]
        np.testing.assert_array_equal(window.samples, expected)
        assert window.end_ns == pytest.approx(BOOT_NS + window.frame * NS / 16_000, abs=2)
        assert window.end_s == pytest.approx(window.frame / 16_000)
    assert [w.fresh for w in windows] == [True] + [False] * (len(windows) - 1)


def test_moments_are_right_when_a_replay_runs_faster_than_real_time() -> None:
    stream = WindowStream(16_000, window=4_000, hop=1_600)
    fast = [
        replace(c, captured_ns=BOOT_NS + c.frame * NS // (4 * 16_000), speed=4.0)
        for c in chunks(counter(40_000), 16_000, 1_600)
    ]
    window = [w for chunk in fast for w in stream.push([chunk])][-1]
    assert window.end_ns == pytest.approx(BOOT_NS + window.frame * NS / 64_000, abs=2)
    moment = window.moment_ns(window.end_s - 0.5)
    assert moment == pytest.approx(BOOT_NS + (window.frame - 8_000) * NS / 64_000, abs=1000)


def test_pushing_much_at_once_gives_the_same_windows() -> None:
    pieces = chunks(counter(40_000), 16_000, 1_600)
    one_by_one = WindowStream(16_000, window=4_000, hop=2_000)
    all_at_once = WindowStream(16_000, window=4_000, hop=2_000)
    first = [w.frame for piece in pieces for w in one_by_one.push([piece])]
    second = [w.frame for w in all_at_once.push(pieces)]
    assert [end - first[0] for end in first] == [end - second[0] for end in second][: len(first)]


@pytest.mark.parametrize("rate", [44_100, 48_000, 22_050])
def test_a_resampled_window_equals_the_whole_signal_resampled(rate: int) -> None:
    signal = np.random.default_rng(0).standard_normal(rate * 4).astype(np.float32)
    whole = resample(signal, rate, 16_000)
    stream = WindowStream(16_000, window=16_000, hop=8_000)
    windows = [w for piece in chunks(signal, rate, rate // 10) for w in stream.push([piece])]
    assert len(windows) == 6
    for window in windows:
        end = round(window.end_s * 16_000)
        np.testing.assert_allclose(window.samples, whole[end - 16_000 : end], atol=1e-5)


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_a_window_is_complete_as_soon_as_the_chunk_with_its_last_sample_is(rate: int) -> None:
    stream = WindowStream(16_000, window=16_000, hop=8_000)
    for piece in chunks(counter(rate * 10), rate, rate // 10):
        for window in stream.push([piece]):
            assert piece.frame < window.frame <= piece.end_frame


def test_lost_frames_start_windows_again_and_are_counted() -> None:
    pieces = chunks(counter(20_000), 16_000, 1_000)
    late = [
        Chunk("m", 0, 16_000, p.samples, p.frame + 500, p.captured_ns, lost=500 * (i == 0))
        for i, p in enumerate(pieces[10:])
    ]
    stream = WindowStream(16_000, window=4_000, hop=2_000)
    windows = [w for piece in [*pieces[:10], *late] for w in stream.push([piece])]
    assert stream.resets == 1
    assert stream.lost_frames == 500
    for window in windows:
        np.testing.assert_array_equal(np.diff(window.samples), 1), "spliced over the gap"
    after = [w for w in windows if w.frame > 10_000]
    assert after[0].fresh
    assert after[0].frame >= 10_500 + 4_000
    assert after[0].end_s == pytest.approx(after[0].frame / 16_000), "lost frames are time too"
    assert [w.fresh for w in windows].count(True) == 2


def test_a_reopened_microphone_starts_again_and_time_goes_on() -> None:
    stream = WindowStream(16_000, window=4_000, hop=2_000)
    before = stream.push(chunks(counter(16_000), 16_000, 1_000))
    again = chunks(counter(16_000), 48_000, 1_000, stream=1)
    first = again[0]
    again[0] = Chunk("m", 1, 48_000, first.samples, 0, first.captured_ns, lost=96_000)
    after = stream.push(again)
    assert (stream.resets, stream.lost_frames) == (1, 0), "away is not lost"
    assert after[0].fresh
    # 1 s before, 2 s of interruption, then the window.
    assert after[0].end_s == pytest.approx(1 + 2 + after[0].frame / 48_000)
    assert after[0].end_s > before[-1].end_s


def test_a_hot_swap_goes_on_one_hop_after_the_last_window() -> None:
    pieces = chunks(counter(80_000), 16_000, 1_600)
    old = WindowStream(16_000, window=4_000, hop=2_000)
    windows = old.push(pieces[:20])
    last = windows[-1]
    assert old.place == Place(0, last.frame, last.end_s)
    new = WindowStream(16_000, window=12_000, hop=3_000, resume=old.place)
    later = new.push(pieces[8:30])
    assert later[0].frame == last.frame + 3_000
    assert later[0].end_s == pytest.approx(last.end_s + 3_000 / 16_000)
    np.testing.assert_array_equal(
        later[0].samples, counter(80_000)[later[0].frame - 12_000 : later[0].frame]
    )
    assert new.skipped == 0


def test_a_hot_swap_with_too_short_a_past_says_what_it_cost() -> None:
    pieces = chunks(counter(80_000), 16_000, 1_600)
    old = WindowStream(16_000, window=4_000, hop=2_000)
    last = old.push(pieces[:20])[-1]
    new = WindowStream(16_000, window=24_000, hop=2_000, resume=old.place)
    later = new.push(pieces[15:40])
    assert later[0].frame == pieces[15].frame + 24_000
    assert new.skipped == (later[0].frame - last.frame) // 2_000 - 1


@pytest.mark.parametrize("window", [16_000, 24_000])
def test_a_hot_swap_before_the_first_window_costs_none(window: int) -> None:
    pieces = chunks(counter(80_000), 16_000, 1_600)
    old = WindowStream(16_000, window=16_000, hop=4_800)
    assert old.push(pieces[:5]) == []
    new = WindowStream(16_000, window=window, hop=4_800, resume=old.place)
    swapped = [one.frame for piece in pieces for one in new.push([piece])]
    undisturbed = WindowStream(16_000, window=window, hop=4_800)
    assert swapped == [one.frame for piece in pieces for one in undisturbed.push([piece])]
    assert new.skipped == 0


def test_the_frames_needed_complete_the_next_window() -> None:
    stream = WindowStream(16_000, window=4_000, hop=2_000)
    stream.push(chunks(counter(5_000), 16_000, 1_000))
    needed = stream.frames_needed()
    short = chunks(counter(needed - 1), 16_000, 10_000, first=5_000)
    assert stream.push(short) == []
    assert stream.frames_needed() == 1
    assert len(stream.push(chunks(counter(1), 16_000, 1, first=5_000 + needed - 1))) == 1
