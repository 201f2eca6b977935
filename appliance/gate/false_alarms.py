"""Has a candidate more false alarms than what listens? Yes, no, or too little was heard to say.

Both versions heard the same sound, so an event that both report says nothing about their
difference; those that only one reports decide. If both had false alarms equally often, each of
these were the candidate's with chance 1/2: the exact conditional test of two Poisson rates
(Przyborowski and Wilenski 1940), on the pairs that disagree (McNemar 1947).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from appliance.live.chances import poisson
from appliance.units import human_duration

# Chance explains a difference that it makes at least so often.
CHANCE = 0.05
# With at most half as many again, a candidate has no more in any way that a person would notice.
HALF_AS_MANY_AGAIN = 1.5
NEGLIGIBLE = 1e-17

WORSE, NO_WORSE, UNKNOWN = "worse", "no worse", "not enough history"


@dataclass(frozen=True)
class FalseAlarms:
    """What two versions reported in the same `hours` of sound and nobody confirmed.

    before, after: of the live version, of the candidate. gained, lost: those that only the
    candidate, or only the live version, reported. chance: of so many gained or more among them, if
    both had them equally often. at_most: of the candidate's in such hours, with 95 %.
    """

    before: int
    after: int
    gained: int
    lost: int
    hours: float

    @property
    def chance(self) -> float:
        return tail(self.gained, self.gained + self.lost)

    @property
    def at_most(self) -> float:
        return self.before - self.lost + poisson(self.gained)[1]

    def verdict(self, more_an_hour: float) -> str:
        """WORSE, NO_WORSE or UNKNOWN; `more_an_hour` more are no reason to refuse."""
        if self.hours <= 0:
            return UNKNOWN
        allowed = self.before + more_an_hour * self.hours
        if self.after > allowed and self.chance <= CHANCE:
            return WORSE
        if self.at_most <= max(allowed, HALF_AS_MANY_AGAIN * self.before):
            return NO_WORSE
        return UNKNOWN

    def sentence(self) -> str:
        """`from 2 to 14 in 30 min of history (4.0 to 28.0 an hour)`."""
        before, after = self.before / self.hours, self.after / self.hours
        heard = human_duration(round(self.hours * 3600, 1))
        return (
            f"from {self.before} to {self.after} in {heard} of history "
            f"({before:.1f} to {after:.1f} an hour)"
        )


def tail(hits: int, total: int) -> float:
    """The chance of `hits` heads or more in `total` throws of a coin."""
    if hits <= 0:
        return 1.0
    if 2 * hits <= total:
        return 1.0 - tail(total - hits + 1, total)
    # The terms fall from here on, each by the quotient of two binomial coefficients.
    logs = math.lgamma(total + 1) - math.lgamma(hits + 1) - math.lgamma(total - hits + 1)
    term = chance = math.pow(2.0, logs / math.log(2) - total)
    for k in range(hits, total):
        term *= (total - k) / (k + 1)
        chance += term
        if term <= chance * NEGLIGIBLE:
            break
    return chance
