"""Words on the screens that a person stumbled over."""

from __future__ import annotations

from typing import Any

from tui.device_words import health_lines
from tui.version_words import evaluation_words


def test_a_checks_name_stands_apart_from_what_it_says() -> None:
    checks = [
        {"name": "disk", "state": "ok", "says": "Room.", "advice": ""},
        {"name": "speech filter", "state": "warning", "says": "Off.", "advice": "Set it."},
    ]
    lines = [line.plain for line in health_lines({"checks": checks})]
    assert lines[1].endswith("disk          Room.")
    assert lines[2].endswith("speech filter Off.")
    assert lines[3] == f"{'':16}Set it."


def test_figures_on_its_own_clips_are_called_that_once() -> None:
    row = {"precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 8, "optimistic": True}
    evaluation: dict[str, Any] = {
        "accuracy": 1.0,
        "balanced_accuracy": 1.0,
        "macro": {"f1": 1.0, "precision": 1.0, "recall": 1.0},
        "protocol": "cross-validation",
        "note": "optimistic: 16 clips that the network was trained on",
        "optimistic": True,
        "on_training_clips": True,
        "classes": [{**row, "label": "dog"}, {**row, "label": "cat"}],
    }
    words = evaluation_words(evaluation).plain
    assert "cross-validation" not in words
    assert words.count("optimistic") == 2
    # Where it holds for one class, that one says so.
    evaluation["on_training_clips"] = False
    evaluation["classes"][1]["optimistic"] = False
    words = evaluation_words(evaluation).plain
    assert "judged by cross-validation" in words
    assert words.count("█  optimistic") == 1


def test_what_is_known_of_unknown_sounds_is_said_or_why_it_is_not() -> None:
    row = {"label": "dog", "precision": 1.0, "recall": 1.0, "f1": 1.0, "support": 8}
    evaluation: dict[str, Any] = {
        "accuracy": 1.0,
        "balanced_accuracy": 1.0,
        "macro": {"f1": 1.0, "precision": 1.0, "recall": 1.0},
        "protocol": "cross-validation",
        "note": "",
        "optimistic": False,
        "classes": [row],
        "unknown": {
            "classes": ["cat", "rain"],
            "clips": 16,
            "known_clips": 40,
            "recall": 0.9,
            "reported": 0.125,
            "without_rejection": 0.5,
            "threshold": 0.7,
        },
        "unknown_missing": None,
    }
    words = evaluation_words(evaluation).plain
    assert "unknown taken for known  12.5 % of 16 clips of cat, rain" in words
    assert "50.0 % without rejecting" in words
    evaluation |= {"unknown": None, "unknown_missing": "it needs at least 4 classes"}
    assert "known  not known; it needs at least 4 classes" in evaluation_words(evaluation).plain
    # Of an earlier release.
    del evaluation["unknown"], evaluation["unknown_missing"]
    assert "not known; this version does not say" in evaluation_words(evaluation).plain
