"""Which clips would teach most: those that the version is unsure of, and each unlike the others.

Uncertainty alone would put a hundred takes of one strange sound first. So the head of the list is
chosen greedily, as in k-center selection: the next clip is the one with the highest product of
its uncertainty and its distance to all that were chosen before (Sener & Savarese, "Active
Learning for Convolutional Neural Networks: A Core-Set Approach", 2018, weighted by the margin of
Scheffer et al., 2001).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# A clip of which the version is sure teaches little, but not nothing: it may be sure and wrong.
LEAST = 0.05
HEAD_FLOOR = 0.5


def margin(probabilities: NDArray[np.float32]) -> float:
    """How unsure an answer [classes] is: 0 when one class has it all, 1 when two share the top."""
    if len(probabilities) < 2:
        return 0.0
    second, first = np.partition(probabilities, -2)[-2:]
    return float(np.clip(1.0 - (first - second), 0.0, 1.0))


def teaching_ranks(
    unsure: NDArray[np.float64], points: NDArray[np.float64], head: int
) -> NDArray[np.float64]:
    """unsure [n] in 0..1, points [n, d], all in one unit -> rank [n]: the highest goes first.

    The `head` that were chosen greedily have ranks above `HEAD_FLOOR`, the others below it, by
    their uncertainty. Costs head x n x d operations.
    """
    count = len(unsure)
    ranks: NDArray[np.float64] = 0.99 * HEAD_FLOOR * np.clip(unsure, 0.0, 1.0)
    if count == 0:
        return ranks
    worth = np.maximum(unsure, LEAST)
    typical = _typical_distance(points)
    centred = points - points.mean(axis=0)
    lengths = np.square(centred).sum(axis=1)
    near = np.full(count, np.inf)
    left = np.ones(count, dtype=bool)
    chosen = min(head, count)
    for place in range(chosen):
        gain = np.where(left, worth * np.minimum(near / typical, 1.0), -1.0)
        best = int(gain.argmax())
        left[best] = False
        ranks[best] = 1.0 - (1.0 - HEAD_FLOOR) * place / chosen
        # |a - b|^2 = |a|^2 - 2ab + |b|^2: one product of a matrix and a vector.
        squared = lengths - 2.0 * (centred @ centred[best]) + lengths[best]
        near = np.minimum(near, np.sqrt(np.maximum(squared, 0.0)))
    return ranks


def _typical_distance(points: NDArray[np.float64]) -> float:
    """Between two clips taken at random: the root mean square, from the variance."""
    return max(float(np.sqrt(2.0 * points.var(axis=0).sum())), 1e-9)
