"""Figures by their definitions, and what their note says."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from appliance.training.evaluate import Judgement, evaluation, fit_temperature
from appliance.training.manifest import ClipEntry

CLASSES = ("cat", "dog", "owl")


def clip(number: int, label: str, session: int | None = None) -> ClipEntry:
    return ClipEntry(number, Path("x.flac"), label, session or number, None, 2.0, 0)


def judged(label: str, predicted: str, number: int, sure: float = 4.0) -> Judgement:
    logits = np.zeros((2, 3), dtype=np.float32)
    logits[:, CLASSES.index(predicted)] = sure
    return Judgement(clip(number, label), logits, np.array([0.75, 0.25], dtype=np.float32))


def figures(pairs: Sequence[tuple[str, str]], **changes: object) -> dict[str, object]:
    items = [judged(label, predicted, n) for n, (label, predicted) in enumerate(pairs)]
    settings = {"protocol": "holdout", "on_training_clips": False, "curves": [], **changes}
    return evaluation(items, [item.clip for item in items], CLASSES, **settings)


def test_precision_recall_and_f1() -> None:
    found = figures([("cat", "cat"), ("cat", "cat"), ("cat", "dog"), ("dog", "dog")])
    cat, dog, owl = found["classes"]
    assert (cat["precision"], cat["recall"], cat["support"]) == (1.0, pytest.approx(2 / 3), 3)
    assert (dog["precision"], dog["recall"], dog["support"]) == (0.5, 1.0, 1)
    assert cat["f1"] == pytest.approx(0.8)
    assert dog["f1"] == pytest.approx(2 / 3)
    assert owl["support"] == owl["f1"] == 0
    # Rows are what people said, columns what the network said.
    assert found["confusion"]["counts"] == [[2, 1, 0], [0, 1, 0], [0, 0, 0]]
    assert found["accuracy"] == 0.75
    assert found["balanced_accuracy"] == pytest.approx((2 / 3 + 1) / 2)
    assert found["macro"]["f1"] == pytest.approx((0.8 + 2 / 3) / 2)


def test_a_large_class_cannot_hide_a_small_one() -> None:
    found = figures([("cat", "cat")] * 95 + [("dog", "cat")] * 5)
    assert found["accuracy"] == 0.95
    assert found["balanced_accuracy"] == 0.5
    assert found["macro"]["f1"] < 0.5


def test_predictions_name_each_clip() -> None:
    found = figures([("cat", "dog")])
    (row,) = found["predictions"]
    assert (row["clip"], row["label"], row["predicted"]) == (0, "cat", "dog")
    assert 0.5 < row["score"] <= 1


def test_the_note_says_what_the_figures_rest_on() -> None:
    assert not figures([("cat", "cat"), ("dog", "dog"), ("cat", "cat"), ("dog", "dog")])[
        "optimistic"
    ]
    one_session = [clip(n, "cat", session=1) for n in range(4)]
    items = [judged("cat", "cat", n) for n in range(4)]
    found = evaluation(
        items, one_session, CLASSES, protocol="cross-validation", on_training_clips=False, curves=[]
    )
    assert found["optimistic"]
    assert found["classes"][0]["optimistic"]
    assert "one recording only of cat" in found["note"]
    partly = evaluation(
        items[:3], one_session, CLASSES, protocol="cross-validation",
        on_training_clips=False, curves=[],
    )  # fmt: skip
    assert "3 of 4 clips" in partly["note"]
    assert "trained on" in figures([("cat", "cat")], on_training_clips=True)["note"]
    assert figures([("cat", "cat")], on_training_clips=True)["optimistic"]
    assert figures([("cat", "cat")], on_training_clips=True)["on_training_clips"] is True


def test_temperature_makes_shy_scores_sure_and_bold_ones_modest() -> None:
    shy = [judged("cat", "cat", n, sure=1.0) for n in range(50)]
    assert fit_temperature(shy, CLASSES) < 0.5
    bold = [judged("cat", ("cat", "dog")[n % 2], n, sure=4.0) for n in range(50)]
    assert fit_temperature(bold, CLASSES) > 1.5
    assert 0.5 < fit_temperature(shy[:2], CLASSES) < 1.01  # two clips say little
    assert fit_temperature([], CLASSES) == 1.0


def test_nothing_judged_is_no_error() -> None:
    assert figures([])["accuracy"] == 0.0
