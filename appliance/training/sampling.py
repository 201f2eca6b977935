"""Which clip comes when: epochs without repetition, small classes more often.

Everything is a function of the seed and the position, so an interrupted run continues exactly.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


class ClipOrder:
    """An endless order of clips. Position p belongs to epoch p // n.

    A class of n clips is drawn in proportion to n ** balance: 1 is as they come, 0 is all classes
    alike. Equal classes come exactly once an epoch each.
    """

    def __init__(self, targets: Sequence[int], balance: float, seed: int) -> None:
        labels = np.asarray(targets)
        counts = np.bincount(labels)
        weight = counts[labels].astype(np.float64) ** (balance - 1.0)
        self._expected = weight / weight.sum() * len(labels)
        self._seed = seed
        self._epoch = lru_cache(maxsize=4)(self._draw)  # several threads make batches

    def take(self, first: int, count: int) -> NDArray[np.int64]:
        """The clips at positions first .. first + count."""
        size = len(self._expected)
        chosen = []
        for position in range(first, first + count):
            epoch, place = divmod(position, size)
            chosen.append(self._epoch(epoch)[place])
        return np.array(chosen)

    def _draw(self, epoch: int) -> NDArray[np.int64]:
        # Systematic sampling: clip i comes floor or ceiling of its expected count, n in all.
        random = np.random.default_rng([self._seed, epoch])
        shuffled = random.permutation(len(self._expected))
        edges = np.floor(np.cumsum(self._expected[shuffled]) + random.random() * 0.999 + 1e-9)
        repeats = np.diff(edges, prepend=0.0).astype(np.int64)
        order = np.repeat(shuffled, repeats)
        # Rounding may leave one too many or too few.
        order = np.resize(order, len(self._expected))
        random.shuffle(order)
        return order
