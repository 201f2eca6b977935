"""Tables, bars and curves on wide and narrow screens, in pipes and without Unicode."""

from __future__ import annotations

import io
import re
from types import SimpleNamespace
from typing import Any

import pytest

from appliance.cli import output
from appliance.cli.evaluation import show_evaluation
from appliance.cli.listen import hearing_lines


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Standard output is a terminal of 80 columns with colours."""
    stream = Terminal()
    # Not sys.stdout itself: pytest puts its own there again before the test begins.
    streams = SimpleNamespace(stdout=stream, stderr=stream)
    monkeypatch.setattr("appliance.cli.output.sys", streams)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "80")
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE"):
        monkeypatch.delenv(name, raising=False)
    return stream


ROWS = [(1, "a long label that goes on", "x" * 30), (12, "dog", None)]
HEADS: list[output.Column | str] = [output.right("id"), output.fold("label"), "file"]


def test_a_table_in_a_pipe_is_never_cut(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    output.table(HEADS, [*ROWS, (3, "y" * 500, "z" * 500)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    assert lines[0].split() == ["id", "label", "file"]
    assert "y" * 500 + "  " + "z" * 500 in lines[3]


@pytest.mark.parametrize("width", [200, 80, 40, 24, 10])
def test_no_cell_is_lost_on_a_narrow_screen(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    output.table(HEADS, ROWS)
    shown = re.sub(r"\x1b\[\d*m", "", terminal.getvalue())
    assert "x" * 30 in shown
    assert all(word in shown for word in ("long", "label", "that", "goes", "dog", "12"))
    if width == 24:  # a block a row
        assert "id: 1\n" in shown
        assert "  file: " + "x" * 30 in shown


def test_texts_are_neither_markup_nor_control(terminal: Terminal) -> None:
    output.table(["name"], [["[red]x[/red] :smile: \x1b[2J \u202e"]])
    shown = terminal.getvalue()
    assert "[red]x[/red] :smile: \\x1b[2J \\u202e" in shown


def test_colour_only_where_it_is_wanted(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    output.say("ready", "green")
    assert "\x1b[32m" in terminal.getvalue()
    terminal.truncate(0)
    monkeypatch.setenv("NO_COLOR", "1")
    output.say("ready", "green")
    assert "\x1b[32m" not in terminal.getvalue()


def test_bars(monkeypatch: pytest.MonkeyPatch, terminal: Terminal) -> None:
    assert output.bar(0.5, 4) == "██  "
    assert output.bar(2.0, 4) == "████"
    assert output.bar(-1.0, 4) == "    "
    assert output.level_bar(-120.0, 4) == "    "
    assert output.level_bar(0.0, 4) == "████"
    terminal.encoding = "ascii"
    assert output.bar(0.5, 4) == "##  "


def test_curves(terminal: Terminal) -> None:
    lines = output.plot([0.0, 1.0, 2.0, 3.0], height=2)
    assert len(lines) == 2
    assert [line[-1] for line in lines] == ["█", "█"]
    assert lines[0][0] == " "
    assert output.plot([]) == []
    assert output.plot([float("nan")]) == []
    assert output.plot([1.0, 1.0], height=1) == ["▁▁"]
    assert {len(line) for line in output.plot(list(range(1000)), width=60)} == {60}


def test_moments_that_no_calendar_has() -> None:
    assert output.moment(None) == ""
    assert output.moment(1e20) == "100000000000000000000"


def _evaluation(classes: int) -> dict[str, Any]:
    labels = [f"class-{number}" for number in range(classes)]
    counts = [[7 if i == j else 0 for j in range(classes)] for i in range(classes)]
    counts[0][1] = 3
    return {
        "protocol": "cross-validation",
        "optimistic": True,
        "note": "one recording only",
        "clips": 7 * classes + 3,
        "accuracy": 0.91,
        "balanced_accuracy": 0.9,
        "macro": {"precision": 0.9, "recall": 0.8, "f1": 0.85},
        "classes": [
            {
                "label": label,
                "precision": 1.0,
                "recall": 0.7,
                "f1": 0.82,
                "support": 10,
                "clips": 10,
                "sessions": 1,
                "optimistic": True,
            }
            for label in labels
        ],
        "confusion": {"labels": labels, "counts": counts},
        "curves": [
            {"step": 1, "elapsed_s": 1.0, "loss": 2.0, "accuracy": None},
            {"step": 9, "elapsed_s": 9.0, "loss": 0.5, "accuracy": 0.9},
        ],
    }


def test_the_confusion_matrix_says_in_signs_what_it_says_in_colours(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    show_evaluation(_evaluation(3))
    shown = terminal.getvalue()
    row = next(line for line in shown.splitlines() if line.startswith("1 class-0"))
    assert row.split() == ["1", "class-0", "[7]", "3", "·"]
    assert "loss: 2.000 to 0.500 over 9 steps" in shown
    assert "accuracy:" not in shown  # one point is no curve
    assert "optimistic" in shown


def test_a_matrix_that_does_not_fit_becomes_a_list(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    show_evaluation(_evaluation(40))
    assert "class-0 heard as class-1: 3 of 10" in terminal.getvalue()
    assert "--pictures FOLDER" in terminal.getvalue()


def test_colours_of_the_matrix(terminal: Terminal) -> None:
    show_evaluation(_evaluation(3))
    assert "\x1b[48;5;28m[7]" in terminal.getvalue()
    assert "\x1b[48;5;" in terminal.getvalue().split("[7]")[1]


@pytest.mark.parametrize("width", [30, 80])
def test_what_is_heard_fits_the_screen(terminal: Terminal, width: int) -> None:
    heard = {
        "usb:1": {
            "at": 0.0,
            "top": [{"label": "l" * 60, "score": 0.987}, {"label": "dog", "score": 0.01}],
            "missed": 2,
        },
        "usb:2": {"at": None, "top": [], "missed": 0},
    }
    lines = hearing_lines(heard, {"usb:1": "kitchen"}, None, 5, width)
    assert lines[0].startswith("kitchen  (heard nothing for")
    assert "2 windows missed" in lines[0]
    assert all(len(line) <= width for line in lines[1:])
    assert lines[1].endswith("98.7 %")
    assert hearing_lines(heard, {}, "usb:2", 5, width) == ["usb:2"]
    assert hearing_lines({}, {}, None, 5, width) == ["No microphone is heard yet."]
