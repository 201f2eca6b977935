"""What sounds now, by all windows so far: a score for each class, and the chance of none of them.

A network's probabilities speak of one window. A sound is seen by several, and what flickers is not
a sound, so they are read as evidence of a hidden Markov model: at any time one class sounds, the
background, or something strange, each goes on or ends with a certain chance, and every window says
how well each would explain it. The belief is what the forward algorithm makes of that (L. R.
Rabiner, "A tutorial on hidden Markov models", Proc. IEEE 77, 1989). A sure sound is believed after
fewer windows than a doubtful one, which no average over a fixed time does.

Windows overlap, and the next says for the most part what the last has said. So each counts for less
than a whole one, its probabilities to the power of hop / `smoothing_s`: the windows of that time
together weigh as much as one. Windows further apart than their length have heard different sound,
so that length is the longest time.

A belief settles where the model's own doubt and the evidence are in balance, so it has a scale of
its own. A label's *score* is on the scale of the network: the probability which, if every window
gave it, would keep the belief where it is. What is 0.8 in window after window comes to 0.8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

BACKGROUND = "background"
# Within `smoothing_s`: that a label begins, for one that the background goes on; that what sounds
# ends; that another label or something strange takes its place at once.
BEGINS, ENDS, CHANGES = 0.2, 0.4, 0.03
# No window speaks against anything more than this: it could be a glitch.
LEAST = 1e-4
# Beliefs this near to 0 and 1 have no scores of their own.
NEAREST = 1e-9


class Belief:
    """Of one microphone. Not thread-safe."""

    def __init__(
        self, classes: Sequence[str], smoothing_s: float, *, window_s: float, hop_s: float
    ) -> None:
        self.classes = tuple(classes)
        self._weight = hop_s / max(hop_s, min(smoothing_s, window_s))
        self._window_steps = max(1, round(window_s / hop_s))
        self._begins, self._ends, self._changes = (
            chance * self._weight for chance in (BEGINS, ENDS, CHANGES)
        )
        # The last state is "none of them". Where there is no background, it is what rests.
        self._rest = (
            self.classes.index(BACKGROUND) if BACKGROUND in self.classes else len(self.classes)
        )
        self._states = np.zeros(len(self.classes) + 1)
        self.reset()

    @property
    def scores(self) -> NDArray[np.float32]:
        """[classes]; of the background, which has no threshold, the belief itself."""
        return self._scores(self._states[:-1])

    @property
    def known_scores(self) -> NDArray[np.float32]:
        """[classes], if it could be none but them."""
        return self._scores(self._states[:-1] / max(1.0 - self.strange, NEAREST))

    @property
    def strange(self) -> float:
        """The belief that it is none of the classes."""
        return float(self._states[-1])

    @property
    def loudest(self) -> int:
        """The class that is believed most."""
        return int(np.argmax(self._states[:-1]))

    def push(self, probabilities: NDArray[np.float32]) -> NDArray[np.float32]:
        """Those of the next window [classes], which leave to 1 the chance that it is none of them;
        returns the scores [classes]."""
        self._go_on()
        strange = 1.0 - probabilities.sum(dtype=np.float64)
        evidence = np.maximum(np.append(probabilities, strange), LEAST)
        # What is no number says nothing, and must not stay for ever.
        self._states *= np.nan_to_num(evidence, nan=LEAST) ** self._weight
        self._states /= self._states.sum()
        return self.scores

    def reset(self) -> None:
        """Nothing sounds."""
        self._states[:] = 0.0
        self._states[self._rest] = 1.0

    def gap(self) -> None:
        """A window's length at least was not heard: what was believed is less sure."""
        for _ in range(self._window_steps):
            self._go_on()

    def take_over(self, earlier: Belief) -> None:
        """Go on where that of another model stood; what it alone knows counts as strange."""
        believed = dict(zip(earlier.classes, earlier._states, strict=False))
        self._states[:] = [*(believed.get(label, 0.0) for label in self.classes), 0.0]
        self._states[-1] = max(0.0, 1.0 - self._states.sum())

    def _go_on(self) -> None:
        """One hop without having heard anything of it."""
        states, rest = self._states, self._rest
        others = len(states) - 1
        each = self._changes / (others - 1) if others > 1 else 0.0  # to each of the others
        still = states[rest] * self._stays()
        sounding = 1.0 - states[rest]
        states *= 1.0 - self._ends - each * others
        states += sounding * each + still * self._begins
        states[rest] = still + sounding * self._ends

    def _stays(self) -> float:
        """The chance that after a hop at rest there is still rest."""
        return 1.0 / (1.0 + self._begins * (len(self._states) - 1))

    def _scores(self, beliefs: NDArray[np.float64]) -> NDArray[np.float32]:
        """Of each label against rest: how likely either is after another hop, and the evidence
        that would just make up for what that takes away."""
        believed = np.clip(beliefs, NEAREST, 1.0 - NEAREST)
        doubted = 1.0 - believed
        goes_on = believed * (1.0 - self._ends - self._changes)
        begins = doubted * self._stays() * self._begins
        rests = doubted * self._stays() + believed * self._ends
        odds = (believed / doubted * rests / (goes_on + begins)) ** (1.0 / self._weight)
        scores: NDArray[np.float32] = (odds / (1.0 + odds)).astype(np.float32)
        if self._rest < len(scores):
            scores[self._rest] = beliefs[self._rest]
        return scores
