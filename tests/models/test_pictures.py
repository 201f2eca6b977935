"""The pictures: sizes, that what matters is drawn, and figures at the edge."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from appliance.models.pictures import confusion_png, curves_png, font, shorten
from tests.models import toy


def pixels(png: bytes) -> NDArray[np.uint8]:
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image.convert("RGB"))


def squares(labels: list[str], counts: list[list[int]]) -> dict[str, Any]:
    return toy.evaluation(confusion={"labels": labels, "counts": counts})


def test_shade_grows_with_the_share_of_the_row() -> None:
    seen = pixels(confusion_png(squares(["a", "b"], [[100, 0], [0, 1]])))
    full = (np.abs(seen.astype(int) - (20, 92, 158)).sum(axis=2) < 6).sum()
    assert full > 2 * 40 * 40, "both rows are wholly right, however many clips they hold"
    mixed = pixels(confusion_png(squares(["a", "b"], [[0, 5], [5, 0]])))
    wrong = (np.abs(mixed.astype(int) - (203, 96, 21)).sum(axis=2) < 6).sum()
    assert wrong > 2 * 40 * 40, "mistakes have another colour"


@pytest.mark.parametrize("classes", [1, 2, 12, 60, 150])
def test_any_number_of_classes(classes: int) -> None:
    labels = [f"class {n}" for n in range(classes)]
    counts = np.diag(np.arange(classes)).tolist()
    seen = pixels(confusion_png(squares(labels, counts)))
    assert seen.shape[0] < 4_700
    assert seen.shape[1] < 4_700
    assert seen.min() < 60, "something is written"


def test_long_labels_are_cut_and_do_not_widen_the_picture() -> None:
    short = pixels(confusion_png(squares(["a" * 40, "b"], [[1, 0], [0, 1]])))
    long = pixels(confusion_png(squares(["a" * 64, "b"], [[1, 0], [0, 1]])))
    assert short.shape == long.shape
    face = font(14)
    cut = shorten("a very long label of somebody", 100, face)
    assert cut.endswith("…")
    assert face.getlength(cut) <= 100
    assert shorten("dog", 100, face) == "dog"


def test_curves_are_drawn_where_the_figures_are() -> None:
    rising = [{"step": n, "loss": 1.0, "accuracy": n / 99} for n in range(100)]
    seen = pixels(curves_png(toy.evaluation(curves=rising))).astype(int)
    orange = np.abs(seen - (203, 96, 21)).sum(axis=2) < 60
    rows, columns = np.nonzero(orange[350:590, 150:800])
    assert np.corrcoef(rows, columns)[0, 1] < -0.99, "accuracy rises to the right"


@pytest.mark.parametrize(
    "curves",
    [
        [],
        [{"step": 0, "loss": 1.0, "accuracy": None}],
        [{"step": 3, "loss": float("nan"), "accuracy": 0.5}],
        [{"step": 1, "loss": 0.0, "accuracy": 0.0}, {"step": 2, "loss": 0.0, "accuracy": 0.0}],
        [{"step": n, "loss": 1e9 / (n + 1), "accuracy": 2.0} for n in range(3)],
        [{"loss": 1.0}, {"step": "x", "loss": 1.0}],
        [{"step": n * 7, "loss": -float(n), "accuracy": n / 10} for n in range(10)],
    ],
)
def test_curves_at_the_edge(curves: list[dict[str, Any]]) -> None:
    assert pixels(curves_png(toy.evaluation(curves=curves))).shape == (640, 900, 3)
