"""What sounds now, by all windows so far: one belief for each class, and for none of them.

A score speaks of one window. A sound is seen by several, and what flickers is not a sound, so the
scores are read as evidence of a hidden Markov model: at any time one class sounds, the background,
or something strange, each goes on or ends with a certain chance, and every window says how well
each would explain it. The belief is what the forward algorithm makes of that (L. R. Rabiner, "A
tutorial on hidden Markov models", Proc. IEEE 77, 1989). A sure sound is believed after fewer
windows than a doubtful one, which no average over a fixed time does.

Windows overlap, and the next says for the most part what the last has said. So each counts for less
than a whole one, its probabilities to the power of hop / `smoothing_s`: the windows of that time
together weigh as much as one. The chances below are for that time, too, which keeps the scale: a
score that stays at 0.8 becomes a belief of about 0.8. Windows further apart than their length have
heard different sound, so that length is the longest time.
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


class Belief:
    """Of one microphone. Not thread-safe."""

    def __init__(
        self, classes: Sequence[str], smoothing_s: float, *, window_s: float, hop_s: float
    ) -> None:
        self.classes = tuple(classes)
        self.weight = hop_s / max(hop_s, min(smoothing_s, window_s))
        self._window_steps = max(1, round(window_s / hop_s))
        # The last state is "none of them". Where there is no background, it is what rests.
        self._rest = (
            self.classes.index(BACKGROUND) if BACKGROUND in self.classes else len(self.classes)
        )
        self._states = np.zeros(len(self.classes) + 1)
        self.reset()

    @property
    def scores(self) -> NDArray[np.float32]:
        """[classes], at most 1 together."""
        return self._states[:-1].astype(np.float32)

    @property
    def strange(self) -> float:
        """That it is none of the classes."""
        return float(self._states[-1])

    def push(self, scores: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probabilities [classes] of the next window, which leave to 1 the chance that it is
        none of them; returns the belief [classes]."""
        self._go_on()
        probabilities = np.append(scores, 1.0 - scores.sum(dtype=np.float64))
        # What is no number says nothing, and must not stay for ever.
        evidence = np.nan_to_num(np.maximum(probabilities, LEAST), nan=LEAST)
        self._states *= evidence**self.weight
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
        begins, ends, changes = (chance * self.weight for chance in (BEGINS, ENDS, CHANGES))
        each = changes / (others - 1) if others > 1 else 0.0  # from one of the others to another
        still = states[rest] / (1.0 + begins * others)
        sounding = 1.0 - states[rest]
        states *= 1.0 - ends - each * others
        states += sounding * each + still * begins
        states[rest] = still + sounding * ends
