"""Intervals for few counts, and the score that keeps a rate. Pure arithmetic.

Exact Poisson limits (Garwood 1936) for events in a time, Wilson's interval (1927) for shares.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from appliance.live.tally import EDGES

COVERAGE = 0.90
_Z = 1.6448536269514722  # of the normal distribution, for 90 % between both limits
# Before anything was seen, scores of false alarms fall off by e for each so much of log odds.
PRIOR_SLOPE, PRIOR_RISES = 0.9, 2.0
# From here up the tail of the peaks counts.
TAIL_FROM = 0.3
LOWEST, HIGHEST = 0.2, 0.995


def wilson(right: int, total: int) -> tuple[float, float, float] | None:
    """(share, low, high) of a share; None of nothing."""
    if total == 0:
        return None
    share, square = right / total, _Z * _Z
    centre = (share + square / (2 * total)) / (1 + square / total)
    half = _Z / (1 + square / total)
    half *= math.sqrt(share * (1 - share) / total + square / (4 * total * total))
    return share, max(0.0, centre - half), min(1.0, centre + half)


def poisson(count: int) -> tuple[float, float]:
    """Limits of the mean of which `count` events were seen."""
    tail = (1 - COVERAGE) / 2
    low = 0.0 if count == 0 else _mean_where(count - 1, 1 - tail)
    return low, _mean_where(count, tail)


def _mean_where(count: int, chance: float) -> float:
    """The mean at which `count` or fewer events have this chance."""
    low, high = 0.0, count + 10.0 * math.sqrt(count + 1.0) + 10.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(count, middle) > chance:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _at_most(count: int, mean: float) -> float:
    if mean <= 0:
        return 1.0
    logs = [k * math.log(mean) - mean - math.lgamma(k + 1) for k in range(count + 1)]
    most = max(logs)
    return min(1.0, math.exp(most) * sum(math.exp(value - most) for value in logs))


def at_least(counts: Sequence[int], threshold: float) -> int:
    """How many rises peaked at or above `threshold`, which is taken down to its bin's edge."""
    return sum(
        count
        for place, count in enumerate(counts)
        if place + 1 == len(EDGES) or EDGES[place + 1] > threshold
    )


def keeping(counts: Sequence[int], hours: float, per_day: float) -> tuple[float, bool]:
    """(threshold, guessed): the lowest that lets at most `per_day` of these rises a day through.

    counts: false rises in each bin of `tally.EDGES`, seen in `hours`. Where so few hours cannot
    show so low a rate, the tail is continued: peaks fall off exponentially in log odds, with a
    prior where few were seen; and that is said with `guessed`.
    """
    empirical = next(
        (edge for place, edge in enumerate(EDGES) if sum(counts[place:]) * 24 <= per_day * hours),
        HIGHEST,
    )
    if hours * per_day >= 24:
        return _limited(empirical), False
    start = next(place for place, edge in enumerate(EDGES) if edge >= TAIL_FROM)
    seen = sum(counts[start:])
    beyond = sum(
        count * (_odds(EDGES[min(place + 1, len(EDGES) - 1)]) - _odds(EDGES[start]))
        for place, count in enumerate(counts)
        if place >= start
    )
    slope = (beyond + PRIOR_RISES * PRIOR_SLOPE) / (seen + PRIOR_RISES)
    a_day = (seen + 0.5) / max(hours, 0.5) * 24
    odds = _odds(EDGES[start]) + slope * max(0.0, math.log(a_day / per_day))
    return _limited(max(1 / (1 + math.exp(-odds)), empirical)), True


def _odds(score: float) -> float:
    return math.log(score / (1 - score))


def _limited(threshold: float) -> float:
    # Upwards, so that it does not fall into the bin below.
    return math.ceil(min(max(threshold, LOWEST), HIGHEST) * 10_000) / 10_000
