"""The trigger: what rises above the background, from before it began until after it ended."""

from __future__ import annotations

import numpy as np
import pytest

from appliance.audio.source import Chunk
from appliance.audio.trigger import Trigger, TriggerEdge
from appliance.settings import TriggerSettings

RATE = 16_000
SETTINGS = TriggerSettings(rise_db=10, preroll_s=0.5, postroll_s=0.7, max_s=5)


def noise(seconds: float, level_dbfs: float, seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (random.standard_normal(round(seconds * RATE)) * 10 ** (level_dbfs / 20)).astype("f4")


def edges_of(
    sound: np.ndarray,
    settings: TriggerSettings = SETTINGS,
    *,
    block: int = 1_600,
    trigger: Trigger | None = None,
    first_frame: int = 0,
    stream: int = 1,
) -> list[TriggerEdge]:
    trigger = trigger or Trigger(settings)
    edges = []
    for start in range(0, len(sound), block):
        part = sound[start : start + block]
        frame = first_frame + start
        moment = round(frame * 1e9 / RATE)
        edges += trigger.push(Chunk("mic", stream, RATE, part, frame, moment))
    return edges


def seconds(edge: TriggerEdge) -> float:
    return edge.frame / RATE


def test_a_sound_is_framed_with_pre_and_post_roll() -> None:
    sound = noise(10, -60)
    sound[4 * RATE : 5 * RATE] += noise(1, -30, 1)
    start, end = edges_of(sound)
    assert (start.kind, end.kind, end.reason) == ("start", "end", "fell")
    assert seconds(start) == pytest.approx(3.5, abs=0.03)
    assert start.onset_frame / RATE == pytest.approx(4, abs=0.03)
    assert seconds(end) == pytest.approx(5.7, abs=0.05)
    assert start.background_dbfs == pytest.approx(-60, abs=1)
    assert end.level_dbfs == pytest.approx(-30, abs=2)
    assert start.captured_ns == round(start.frame * 1e9 / RATE)
    assert end.captured_ns == round(end.frame * 1e9 / RATE)


@pytest.mark.parametrize("block", [160, 1_600, 4_410, 16_000])
def test_the_length_of_blocks_changes_nothing_but_rounding(block: int) -> None:
    sound = noise(10, -60)
    sound[4 * RATE : 5 * RATE] += noise(1, -30, 1)
    start, end = edges_of(sound, block=block)
    assert seconds(start) == pytest.approx(3.5, abs=0.05)
    assert seconds(end) == pytest.approx(5.7, abs=0.1)


def test_steady_noise_of_any_level_triggers_nothing() -> None:
    for level in (-90, -60, -40, -20):
        assert edges_of(noise(60, level)) == []
    assert edges_of(np.zeros(60 * RATE, "f4")) == []


def test_a_short_click_is_enough() -> None:
    sound = noise(10, -60)
    sound[6 * RATE : 6 * RATE + RATE // 50] += 0.5
    assert [edge.kind for edge in edges_of(sound)] == ["start", "end"]


def test_sounds_close_together_are_one_recording_and_apart_are_two() -> None:
    for pause, count in ((0.4, 1), (2.0, 2)):
        sound = noise(12, -60)
        for at in (4.0, 4.5 + pause):
            sound[round(at * RATE) :][: RATE // 2] += noise(0.5, -30, 1)
        edges = edges_of(sound)
        assert [edge.kind for edge in edges] == ["start", "end"] * count


def test_fading_does_not_chop_a_sound() -> None:
    sound = noise(14, -60)
    fading = noise(4, 0, 1) * np.geomspace(10**-1.5, 10**-2.6, 4 * RATE).astype("f4")
    sound[4 * RATE : 8 * RATE] += fading
    assert [edge.kind for edge in edges_of(sound)] == ["start", "end"]


def test_a_noise_that_stays_ends_at_the_limit_and_becomes_the_background() -> None:
    sound = np.concatenate([noise(20, -60), noise(60, -40, 1)])
    sound[60 * RATE : 61 * RATE] += noise(1, -15, 2)
    edges = edges_of(sound)
    assert [(edge.kind, edge.reason) for edge in edges] == [
        ("start", ""),
        ("end", "limit"),
        ("start", ""),
        ("end", "fell"),
    ]
    assert seconds(edges[1]) - seconds(edges[0]) == pytest.approx(5, abs=0.001)
    assert seconds(edges[2]) == pytest.approx(59.5, abs=0.05)
    assert edges[2].background_dbfs == pytest.approx(-40, abs=1)


def test_nothing_is_triggered_before_the_background_is_known() -> None:
    sound = noise(6, -60)
    sound[: RATE // 2] += noise(0.5, -20, 1)
    assert edges_of(sound) == []


def test_the_pre_roll_ends_where_the_stream_begins() -> None:
    sound = noise(5, -60)
    sound[round(1.2 * RATE) : 2 * RATE] += noise(0.8, -20, 1)
    settings = TriggerSettings(rise_db=10, preroll_s=3, postroll_s=0.7, max_s=5)
    start, _ = edges_of(sound, settings, first_frame=7_000)
    assert start.frame == 7_000


@pytest.mark.parametrize(("gap", "stream"), [(8_000, 1), (0, 2)])
def test_lost_frames_end_a_recording_where_they_begin(gap: int, stream: int) -> None:
    trigger = Trigger(SETTINGS)
    sound = noise(5, -60)
    sound[4 * RATE :] += noise(1, -30, 1)
    (start,) = edges_of(sound, trigger=trigger)
    assert start.kind == "start"
    after = edges_of(noise(3, -60, 3), trigger=trigger, first_frame=5 * RATE + gap, stream=stream)
    assert [(edge.kind, edge.reason, edge.frame, edge.stream) for edge in after] == [
        ("end", "lost", 5 * RATE, 1)
    ]
    assert not trigger.is_open
    # The pre-roll of the next one does not reach over the gap.
    loud = noise(1, -20, 4)
    first = 5 * RATE + gap + 3 * RATE
    (again,) = edges_of(loud, trigger=trigger, first_frame=first, stream=stream)
    assert again.frame == first - RATE // 2
