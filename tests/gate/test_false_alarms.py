"""When a candidate has more false alarms than what listens, and when nobody can say."""

from __future__ import annotations

import math
import random

import pytest

from appliance.gate.false_alarms import CHANCE, NO_WORSE, UNKNOWN, WORSE, FalseAlarms, tail

ONE_AN_HOUR = 1.0


@pytest.mark.parametrize(
    ("before", "after", "gained", "lost", "hours", "verdict"),
    [
        (0, 0, 0, 0, 0.0, UNKNOWN),
        (0, 0, 0, 0, 0.01, UNKNOWN),  # half a minute of silence proves nothing
        (2, 6, 4, 0, 0.0083, UNKNOWN),  # 240 against 720 an hour, in half a minute
        (2, 7, 5, 0, 0.0097, WORSE),
        (1, 6, 6, 1, 0.5, UNKNOWN),  # 1 in 16
        (0, 0, 0, 0, 6.0, NO_WORSE),
        (40, 42, 4, 2, 6.0, NO_WORSE),
        (3, 8, 5, 0, 6.0, UNKNOWN),  # not even one more an hour; but it may be 1.7 more
        (3, 8, 5, 0, 24.0, NO_WORSE),
        (3, 30, 27, 0, 6.0, WORSE),
        (30, 3, 0, 27, 6.0, NO_WORSE),
    ],
)
def test_verdicts(
    before: int, after: int, gained: int, lost: int, hours: float, verdict: str
) -> None:
    assert FalseAlarms(before, after, gained, lost, hours).verdict(ONE_AN_HOUR) == verdict


def test_the_chance_is_exact() -> None:
    assert tail(0, 0) == tail(0, 9) == 1.0
    for total in (1, 2, 5, 8, 61, 400, 1500):
        ways = 0
        for hits in range(total, 0, -1):
            ways += math.comb(total, hits)
            assert tail(hits, total) == pytest.approx(ways / (1 << total), rel=1e-9, abs=1e-300)
    assert tail(2_000_000, 2_000_000) == 0.0
    assert tail(1_000_001, 2_000_001) == pytest.approx(0.5, rel=1e-8)


def test_equal_versions_are_seldom_refused_and_one_with_twice_as_many_mostly() -> None:
    luck = random.Random(7)

    def refused(gained_an_hour: float, lost_an_hour: float) -> float:
        count = 0
        for _ in range(400):
            gained, lost = (
                sum(luck.random() < rate / 60 for _ in range(360))
                for rate in (gained_an_hour, lost_an_hour)
            )
            one = FalseAlarms(20 + lost, 20 + gained, gained, lost, 6.0)
            count += one.verdict(ONE_AN_HOUR) == WORSE
        return count / 400

    assert refused(4, 4) <= CHANCE
    assert refused(8, 4) > 0.7
