"""What every engine knows from its version's card, and how it refuses windows that do not fit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from appliance.errors import EngineError
from appliance.models.card import Card

INPUT, OUTPUT = "waveform", "probabilities"
"""Names of a network's input and output."""

ADVICE = "roll back, or deploy another version; train this one again if it stays so"


class Carded:
    """The part of an `Engine` that does not depend on its runtime."""

    def __init__(self, card: Card) -> None:
        self._card = card

    @property
    def classes(self) -> tuple[str, ...]:
        return self._card.classes

    @property
    def sample_rate(self) -> int:
        return self._card.sample_rate

    @property
    def window_samples(self) -> int:
        return self._card.window_samples

    @property
    def hop_samples(self) -> int:
        return self._card.hop_samples

    def _check(self, windows: NDArray[np.float32]) -> None:
        """Raises EngineError unless they are [n, window_samples]."""
        if windows.ndim != 2 or windows.shape[1] != self.window_samples:
            raise EngineError(
                f"windows have shape {windows.shape}, the model takes [n, {self.window_samples}]"
            )


def closed() -> EngineError:
    """For a `run` after `close`."""
    return EngineError("this engine was closed", "ask for the live one again")
