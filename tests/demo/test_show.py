"""What the demo prints is plain where there is no terminal, and never read as markup."""

from __future__ import annotations

import io

from rich.console import Console

from appliance.demo.show import PLAIN_WIDTH, Screen, bar, confusion


def plain_screen() -> tuple[Screen, io.StringIO]:
    out = io.StringIO()
    console = Console(file=out, width=PLAIN_WIDTH, highlight=False, markup=False, emoji=False)
    return Screen(console), out


def test_steps_are_numbered_and_texts_are_printed_as_they_are() -> None:
    screen, out = plain_screen()
    screen.step("First")
    screen.step("Second")
    screen.say("a label called [bold]red[/] :smile:", "green")
    text = out.getvalue()
    assert "1. First" in text
    assert "2. Second" in text
    assert "a label called [bold]red[/] :smile:" in text
    assert "\x1b" not in text


def test_the_moving_line_does_not_flood_a_pipe() -> None:
    screen, out = plain_screen()
    with screen.moving() as line:
        for number in range(1000):
            line.update(f"step {number}", number / 1000)
    assert out.getvalue() == ""


def test_bar_and_confusion_matrix() -> None:
    assert bar(0.0, 4) == "╌╌╌╌"
    assert bar(0.5, 4) == "━━╌╌"
    assert bar(7.0, 4) == "━━━━"
    columns, rows = confusion(["dog", "knock"], [[5, 0], [2, 3]])
    assert columns == ["labelled as", "→1", "→2"]
    assert [[str(cell) for cell in row] for row in rows] == [
        ["1 dog", "5", "·"],
        ["2 knock", "2", "3"],
    ]
    screen, out = plain_screen()
    screen.table(columns, rows)
    assert "2 knock" in out.getvalue()
