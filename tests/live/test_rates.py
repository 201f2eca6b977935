"""Thresholds as a rate: what the box heard decides, and only a person lowers one."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from appliance.errors import Conflict, InvalidInput
from appliance.live.chances import at_least, keeping, poisson, wilson
from appliance.live.detection import NewDetection
from appliance.live.rates import Rates
from appliance.live.tally import BINS, EDGES, Rises, Tally, bin_of
from tests.live.conftest import Box, until

DAY = 24.0


def test_intervals_are_those_of_the_tables() -> None:
    # Garwood's limits and Wilson's, for 90 %, from published tables.
    assert poisson(0) == pytest.approx((0.0, 2.996), abs=2e-3)
    assert poisson(3) == pytest.approx((0.818, 7.754), abs=2e-3)
    assert poisson(100) == pytest.approx((84.139, 118.079), abs=2e-2)
    found = wilson(8, 10)
    assert found is not None
    assert found == pytest.approx((0.8, 0.541, 0.931), abs=2e-3)
    assert wilson(0, 0) is None


def test_a_rise_is_counted_once_with_its_peak() -> None:
    rises = Rises(("background", "dog"))
    scores = [0.0, 0.2, 0.6, 0.83, 0.7, 0.5, 0.45, 0.4, 0.05, 0.0, 0.3, 0.05]
    ended = [pair for s in scores for pair in rises.push(np.array([1 - s, s], np.float32))]
    assert [label for label, _ in ended] == ["dog", "dog"]
    assert [peak for _, peak in ended] == pytest.approx([0.83, 0.3])


def test_the_threshold_is_the_lowest_that_keeps_the_rate() -> None:
    counts = [0] * BINS
    for peak, times in ((0.4, 30), (0.7, 6), (0.9, 2)):
        counts[bin_of(peak) or 0] += times
    threshold, guessed = keeping(counts, 10 * DAY, 1.0)
    assert not guessed
    # 8 in 10 days are under one a day, 38 are not.
    assert 0.4 < threshold <= 0.7
    assert at_least(counts, threshold) == 8
    strict, _ = keeping(counts, 10 * DAY, 0.1)
    assert strict > 0.9
    # An hour cannot show one a week: the tail is continued, and that is said.
    guess, guessed = keeping([0] * BINS, 1.0, 1 / 7)
    assert guessed
    assert threshold < guess < 0.999
    assert keeping(counts, 1.0, 1.0)[0] > EDGES[bin_of(0.9) or 0]


@pytest.fixture
def rates(box: Box) -> Rates:
    return Rates(box.db, Tally(box.db), box.thresholds, box.deployments, box.versions, box.bus)


def detect(box: Box, peak: float) -> int:
    live = box.deployments.live()
    assert live is not None
    now = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    new = NewDetection("m", "dog", peak, live[0].version, live[0].id, now, now)
    made = box.detections.add(new)
    box.detections.end(made, now, peak)
    return made.id


def test_a_rate_needs_a_version_that_knows_the_label(box: Box, rates: Rates) -> None:
    with pytest.raises(Conflict):
        rates.ask("dog", 1.0)
    box.deploy({"dog": 440.0})
    with pytest.raises(Conflict):
        rates.ask("cat", 1.0)
    with pytest.raises(InvalidInput):
        rates.ask("dog", 0.0)


def test_only_a_confirmed_detection_lowers_the_threshold(box: Box, rates: Rates) -> None:
    version = box.deploy({"dog": 440.0})
    tally = Tally(box.db)
    start = 1_700_000_000.0
    for hour in range(240):
        tally.add(version, "m", start + 3600 * hour, 3600.0, [("dog", 0.35)] if hour % 2 else [])
    for _ in range(15):
        tally.add(version, "m", start, 0.0, [("dog", 0.93)])
    tally.flush()
    found = [detect(box, 0.93) for _ in range(15)]
    expected = rates.ask("dog", 1.0)
    assert expected.hours == pytest.approx(240)
    assert expected.threshold > 0.93
    assert (expected.false_alarms, expected.unreviewed) == (0, 0)
    assert math.isclose(box.thresholds.get("dog"), expected.threshold)
    assert box.thresholds.rate("dog") == 1.0

    rates.start()
    try:
        # The eighth refuted changes nothing: unreviewed ones count as false already.
        box.detections.review(found[0], "refuted")
        for identifier in found[1:]:
            box.detections.review(identifier, "confirmed")
        until(lambda: box.thresholds.get("dog") < 0.93, "the threshold to fall")
        after = rates.expectation("dog")
        assert after is not None
        assert (after.confirmed, after.false_alarms) == (14, 1)
        assert after.precision is not None
        assert after.precision.value == pytest.approx(14 / 15, abs=1e-3)
        assert after.high is not None
        assert after.low is not None
        assert after.low < 0.1 < after.high < 1

        # More that is false raises it again; taking a confirmation back does not wait for hours.
        low = box.thresholds.get("dog")
        for identifier in found[1:]:
            box.detections.review(identifier, "refuted")
        until(lambda: box.thresholds.get("dog") > max(low, 0.93), "the threshold to rise")
    finally:
        rates.stop()
