"""The hidden Markov model that weighs windows together."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from appliance.live.belief import BEGINS, CHANGES, ENDS, LEAST, Belief

WINDOW_S, HOP_S = 2.58, 0.5


def make(classes: tuple[str, ...], smoothing_s: float = 3.0) -> Belief:
    return Belief(classes, smoothing_s, window_s=WINDOW_S, hop_s=HOP_S)


def windows(count: int, classes: int, seed: int) -> NDArray[np.float32]:
    """Probabilities [count, classes] that leave something for what is none of them."""
    draw = np.random.default_rng(seed)
    return draw.dirichlet(np.full(classes + 1, 0.3), count)[:, :classes].astype(np.float32)


def test_it_is_the_forward_algorithm_of_its_model() -> None:
    """Against the textbook: a matrix of transitions, and every window's evidence."""
    belief = make(("a", "background", "b"))
    weight = HOP_S / WINDOW_S
    states, rest = 4, 1  # a, background, b, none of them
    model = np.full((states, states), CHANGES * weight / 2)
    np.fill_diagonal(model, 1 - (ENDS + CHANGES) * weight)
    model[:, rest] = ENDS * weight
    model[rest] = BEGINS * weight
    model[rest, rest] = 1.0
    model[rest] /= model[rest].sum()
    assert model.sum(axis=1) == pytest.approx(1.0)
    expected = np.eye(states)[rest]
    for row in windows(40, 3, seed=1):
        belief.push(row)
        evidence = np.maximum([*row, 1 - row.sum(dtype=np.float64)], LEAST) ** weight
        expected = (expected @ model) * evidence
        expected /= expected.sum()
        assert belief.strange == pytest.approx(expected[-1])
        assert belief.loudest == int(expected[:-1].argmax())
        assert belief.scores[rest] == pytest.approx(expected[rest], abs=1e-6)


@pytest.mark.parametrize("probability", [0.3, 0.5, 0.8, 0.95, 0.99])
@pytest.mark.parametrize("smoothing_s", [0.5, 1.25, 3.0])
@pytest.mark.parametrize("others", [0, 8])
def test_what_every_window_says_becomes_the_score(
    probability: float, smoothing_s: float, others: int
) -> None:
    classes = ("background", "dog", *(f"label {number}" for number in range(others)))
    belief = make(classes, smoothing_s)
    row = np.zeros(len(classes), dtype=np.float32)
    row[:2] = 1 - probability, probability
    for _ in range(200):
        scores = belief.push(row)
    assert scores[1] == pytest.approx(probability, abs=0.03)


def test_a_set_without_background_rests_on_none_of_them() -> None:
    belief = make(("cat", "dog"))
    assert belief.strange == 1.0
    for _ in range(20):
        belief.push(np.array([0.02, 0.93], dtype=np.float32))
    assert belief.loudest == 1
    assert belief.scores[1] > 0.8
    for _ in range(20):
        belief.push(np.array([0.02, 0.03], dtype=np.float32))
    assert belief.strange > 0.8


def test_what_is_strange_takes_belief_from_the_label_it_resembles() -> None:
    belief = make(("background", "dog"))
    for _ in range(20):
        belief.push(np.array([0.0, 0.3], dtype=np.float32))
    assert belief.scores[1] < 0.5
    assert belief.known_scores[1] > 0.7


def test_a_gap_makes_it_less_sure_and_a_reset_forgets() -> None:
    belief = make(("background", "dog"))
    for _ in range(20):
        belief.push(np.array([0.03, 0.97], dtype=np.float32))
    sure = float(belief.scores[1])
    belief.gap()
    assert 0.1 < belief.scores[1] < sure
    belief.reset()
    assert belief.scores[1] < 0.01


def test_another_model_goes_on_with_what_it_knows() -> None:
    belief = make(("background", "dog", "rain"))
    for _ in range(20):
        belief.push(np.array([0.02, 0.95, 0.03], dtype=np.float32))
    after = make(("background", "cat", "dog"))
    after.take_over(belief)
    assert after.scores[2] == pytest.approx(belief.scores[1], abs=1e-6)
    stranger = make(("background", "cat"))
    stranger.take_over(belief)
    assert stranger.strange > 0.8
