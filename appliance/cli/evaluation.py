"""A version's figures on a terminal: tables, a confusion matrix, curves of block characters.

Colour is never the only sign: every cell has its number, right ones stand in brackets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from appliance.cli.output import (
    console,
    count,
    fold,
    note,
    pairs,
    percent,
    right,
    safe,
    say,
    say_curve,
    table,
)
from appliance.units import human_duration

if TYPE_CHECKING:
    from rich.text import Text

MOST_CONFUSIONS = 15
PLOT_WIDTH = 60
# Background colours of the 256-colour palette, for a growing share of a row.
_RIGHT = (None, "on color(22)", "on color(28)")
_WRONG = (None, "on color(52)", "on color(88)", "on color(124)")


def show_evaluation(evaluation: dict[str, Any]) -> None:
    """Accuracy and averages, figures by class, confusion matrix, curves."""
    macro = evaluation["macro"]
    pairs(
        [
            ("accuracy", percent(evaluation["accuracy"])),
            ("balanced", percent(evaluation["balanced_accuracy"])),
            (
                "macro",
                f"precision {percent(macro['precision'])}, recall {percent(macro['recall'])}, "
                f"F1 {percent(macro['f1'])}",
            ),
            ("judged by", f"{evaluation['protocol']}: {evaluation['note']}"),
        ]
    )
    for warning in evaluation.get("warnings") or []:
        note(f"note  {safe(warning)}", "yellow")
    _unknown(evaluation.get("unknown"), evaluation.get("unknown_missing"))
    if evaluation["optimistic"]:
        note("These figures are optimistic: see above.", "yellow")
    say()
    table(
        [
            fold("class"),
            right("precision"),
            right("recall"),
            right("F1"),
            right("judged"),
            right("clips"),
            right("sessions"),
            "",
        ],
        [
            (
                row["label"],
                percent(row["precision"]),
                percent(row["recall"]),
                percent(row["f1"]),
                row["support"],
                # Imported versions may not say.
                row.get("clips"),
                row.get("sessions"),
                "optimistic" if row.get("optimistic") else "",
            )
            for row in evaluation["classes"]
        ],
    )
    say()
    _confusion(evaluation["confusion"])
    _curves(evaluation["curves"])


def _unknown(figures: dict[str, Any] | None, missing: str | None) -> None:
    """How often a sound that was never taught passes for a known one, or why that is not known."""
    if figures is None:
        # Versions of earlier releases, and imported ones, may not say.
        why = missing or "this version does not say why"
        say(f"Unknown sounds taken for known ones: not known; {safe(why)}.")
        return
    say(
        f"Unknown sounds taken for known ones: {percent(figures['reported'])} where "
        f"{percent(figures['recall'])} of the known are found "
        f"({percent(figures['without_rejection'])} without rejecting the unfamiliar), judged on "
        f"{count(figures['clips'], 'clip')} of {safe(', '.join(figures['classes']))}, "
        "kept from a network of its own."
    )


def _confusion(confusion: dict[str, Any]) -> None:
    labels, counts = confusion["labels"], confusion["counts"]
    largest = max((number for row in counts for number in row), default=0)
    cell = max(len(str(largest)), len(str(len(labels)))) + 3
    names = [f"{index} {safe(label)}" for index, label in enumerate(labels, start=1)]
    name_width = max((len(name) for name in names), default=0)
    room = console().width
    name_width = min(name_width, max(8, room - cell * len(labels) - 1))
    if name_width + cell * len(labels) > room:
        _worst(labels, counts)
        return
    from rich.text import Text

    say("Rows are what clips are labelled, columns what was predicted; [right] stands in brackets.")
    head = "".join(str(index).rjust(cell - 1) + " " for index in range(1, len(labels) + 1))
    say(" " * name_width + head, "bold")
    for row_index, row in enumerate(counts):
        name = names[row_index]
        shown = name if len(name) <= name_width else name[: name_width - 1] + "…"
        line = Text(shown.ljust(name_width))
        for column, number in enumerate(row):
            line.append_text(_cell(number, sum(row), cell, right=column == row_index))
        say(line)


def _cell(number: int, total: int, width: int, *, right: bool) -> Text:
    from rich.text import Text

    share = number / total if total else 0.0
    if right:
        style = _RIGHT[0 if share == 0 else 1 if share < 0.8 else 2]
        words = f"[{number}]".rjust(width)
    else:
        style = _WRONG[0 if number == 0 else 1 if share < 0.1 else 2 if share < 0.3 else 3]
        words = f"{number or '·'} ".rjust(width)
    blank = len(words) - len(words.lstrip())
    return Text.assemble(words[:blank], (words[blank:], style or ""))


def _worst(labels: list[str], counts: list[list[int]]) -> None:
    """Where the matrix does not fit: the most frequent confusions."""
    wrong = [
        (number, labels[i], labels[j], sum(row))
        for i, row in enumerate(counts)
        for j, number in enumerate(row)
        if i != j and number
    ]
    wrong.sort(key=lambda entry: -entry[0])
    if not wrong:
        say("No clip was confused with another class.")
        return
    say("Most frequent confusions (the whole matrix: --pictures FOLDER, or a wider terminal):")
    for number, labelled, predicted, total in wrong[:MOST_CONFUSIONS]:
        say(f"  {safe(labelled)} heard as {safe(predicted)}: {number} of {total}")


def _curves(curves: list[dict[str, Any]]) -> None:
    for name in ("loss", "accuracy"):
        values = [point[name] for point in curves if point.get(name) is not None]
        if len(values) < 2:
            continue
        first, last = values[0], values[-1]
        shown = (
            f"{percent(first)} to {percent(last)}"
            if name == "accuracy"
            else f"{first:.3f} to {last:.3f}"
        )
        steps = [point.get("step") for point in curves if point.get(name) is not None]
        over = f" over {count(steps[-1], 'step')}" if steps and steps[-1] is not None else ""
        say()
        say(f"{name}: {shown}{over}", "bold")
        say_curve(values, width=PLOT_WIDTH)


def show_version(version: dict[str, Any], card: dict[str, Any]) -> None:
    """Where a version comes from and how it was trained."""
    train = card.get("train") or {}
    steps = count(train["steps"], "step") if train.get("steps") is not None else None
    if steps and train.get("epochs") is not None:
        steps += f", {train['epochs']:.0f} epochs"
    pairs(
        [
            ("version", f"{version['name']}{' (listens now)' * (version['state'] == 'deployed')}"),
            ("note", version["note"]),
            ("classes", f"{len(version['classes'])}: {', '.join(version['classes'])}"),
            ("dataset", version["dataset_version"]),
            ("began with", version["parent"]),
            ("job", version["job"]),
            ("ended", f"{version['stopped']}, after {human_duration(version['seconds'])}"),
            ("steps", steps),
            ("device", train.get("device")),
            (
                "network",
                f"{count(version['parameters'], 'parameter')}, windows of "
                f"{version['window_s']:.2f} s, every {version['hop_s']:.2f} s in training, "
                f"at {version['sample_rate']} Hz",
            ),
        ]
    )
