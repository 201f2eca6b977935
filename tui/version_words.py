"""What is said of a version: evaluation, training, lineage, certificate, and two side by side."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from textual.content import Content

from appliance.text import count, moment, percent, safe
from appliance.units import human_duration, human_size
from tui.draw import bar, fit

Facts = Mapping[str, Any]


def evaluation_words(evaluation: Facts) -> Content:
    """Accuracy and averages, then precision, recall, F1 and support by class."""
    macro = evaluation["macro"]
    seen = evaluation.get("on_training_clips")
    judge = "itself" if seen else evaluation["protocol"]
    lines = [
        Content.assemble(
            ("accuracy ", "bold"),
            percent(evaluation["accuracy"]),
            ("   balanced ", "bold"),
            percent(evaluation["balanced_accuracy"]),
            ("\nF1 ", "bold"),
            percent(macro["f1"]),
            ("   precision ", "bold"),
            percent(macro["precision"]),
            ("   recall ", "bold"),
            percent(macro["recall"]),
        ),
        Content(safe(f"judged by {judge}: {evaluation['note']}".rstrip(": "))),
    ]
    lines += _unknown_words(evaluation)
    if evaluation["optimistic"]:
        lines.append(Content.assemble(("! These figures are optimistic: see above.", "$warning")))
    head = f"\n{'class':<22}{'precision':>10}{'recall':>9}{'F1':>9}{'support':>9}  F1"
    lines.append(Content.assemble((head, "bold")))
    for row in evaluation["classes"]:
        # Said once where it holds for all of them.
        optimistic = "  optimistic" if row.get("optimistic") and not seen else ""
        lines.append(
            Content.assemble(
                fit(row["label"], 22),
                f"{percent(row['precision']):>10}{percent(row['recall']):>9}"
                f"{percent(row['f1']):>9}{row['support']:>9}  ",
                (bar(row["f1"], 10), "$primary"),
                (optimistic, "$warning"),
            )
        )
    lines.append(
        Content.assemble(
            (
                "\nRecall: the share of a class's clips that were predicted as it. "
                "Precision: the share of those predicted as it that are labelled so.",
                "$secondary",
            )
        )
    )
    return Content("\n").join(lines)


def _unknown_words(evaluation: Facts) -> list[Content]:
    """How often a sound that was never taught passes for a known one, or why that is not known."""
    figures = evaluation.get("unknown")
    if figures is None:
        # Versions of earlier releases, and imported ones, may not say.
        why = evaluation.get("unknown_missing") or "this version does not say why"
        words = f"not known; {safe(why)}"
    else:
        words = (
            f"{percent(figures['reported'])} of {count(figures['clips'], 'clip')} of "
            f"{safe(', '.join(figures['classes']))}, which a network of its own was not taught, "
            f"where it finds {percent(figures['recall'])} of the known "
            f"({percent(figures['without_rejection'])} without rejecting the unfamiliar)"
        )
    return [Content.assemble(("unknown taken for known  ", "bold"), words)]


def training_words(version: Facts, card: Facts) -> Content:
    """How it was trained."""
    train = card.get("train") or {}
    rows = [
        ("ended", f"{version['stopped']}, after {human_duration(version['seconds'])}"),
        ("job", version["job"]),
        ("began with", version["parent"] or "nothing: trained from the start"),
        ("classes", f"{len(version['classes'])}: {', '.join(version['classes'])}"),
        ("parameters", version["parameters"]),
        (
            "window",
            f"{version['window_s']:.2f} s, every {version['hop_s']:.2f} s in training, "
            f"at {version['sample_rate']} Hz",
        ),
        ("windows missed", _missed(version["windows_missed"])),
        ("architecture", _plain(card.get("architecture"))),
        *[(str(key), _plain(value)) for key, value in sorted(train.items())],
    ]
    return table(rows)


def lineage_words(lineage: Facts, name_of: Callable[[str], str]) -> Content:
    """Where it comes from, down to clips and microphones. name_of: of a microphone by its id."""
    lines = []
    for step in [lineage, *lineage["parents"]]:
        dataset = f" on {step['dataset_version']}" if step["dataset_version"] else ""
        gone = ", deleted" if step["deleted"] else ""
        job = f", training {step['job']}" if step["job"] else ""
        words = f"{step['version']}  {step['source']}{dataset}{job}, {step['stopped']}{gone}"
        lines.append(Content(safe(f"{moment(step['created_at'])}  {words}")))
    held = lineage["dataset"]
    if held and "clips" in held:
        clips = count(len(held["clips"]), "clip")
        sessions = count(held["sessions"], "recording")
        lines.append(Content(f"\n{safe(held['name'])}: {clips} of {sessions}"))
        for title, numbers in (("class", "classes"), ("microphone", "microphones")):
            lines.append(Content.assemble((f"\n{title:<40} clips", "bold")))
            known = {key: name_of(key) for key in held[numbers]} if title == "microphone" else {}
            for key, number in sorted(held[numbers].items()):
                name = known.get(key, key)
                lines.append(Content(f"{fit(name, 40)} {number:>5}"))
    elif held:
        lines.append(Content(safe(f"\n{held['name']}: {held.get('problem', '')}")))
    return Content("\n").join(lines)


def certificate_words(deployments: Sequence[Facts]) -> Content:
    """Every deployment of a version: what its engine was compared on, and how it did."""
    if not deployments:
        return Content("It was not deployed yet: d compiles it for this device and compares it.")
    parts = []
    for row in deployments:
        figures = row["certificate"]
        head = f"{row['precision']}, {row['engine']}: {row['state']}"
        rows = [
            ("since", moment(row["created_at"])),
            ("until", moment(row["ended_at"])),
            ("by", row["author"]),
            ("problem", row.get("problem") or row.get("notice")),
            *[(key.replace("_", " "), _figure(key, value)) for key, value in figures.items()],
        ]
        parts.append(Content.assemble((safe(head), "bold"), "\n", table(rows)))
    return Content("\n\n").join(parts)


def comparison_words(sides: Sequence[tuple[Facts, Facts]]) -> Content:
    """Two versions, each with its evaluation, side by side; the difference at the right."""
    (first, one), (second, other) = sides
    lines = [Content.assemble((f"{'':<24}{first['name']:>12}{second['name']:>12}", "bold"))]

    def line(title: str, left: float | None, right: float | None) -> None:
        text = f"{fit(title, 24)}{percent(left) or '-':>12}{percent(right) or '-':>12}"
        change: tuple[str, str] = ("", "")
        if left is not None and right is not None:
            points = 100 * (right - left)
            mark = "▲" if points > 0.05 else "▼" if points < -0.05 else "="
            colour = {"▲": "$success", "▼": "$error", "=": "$secondary"}[mark]
            change = (f"   {mark} {points:+.1f}", colour)
        lines.append(Content.assemble(text, change))

    line("accuracy", one["accuracy"], other["accuracy"])
    line("balanced accuracy", one["balanced_accuracy"], other["balanced_accuracy"])
    for figure in ("f1", "precision", "recall"):
        line(f"macro {figure}", one["macro"][figure], other["macro"][figure])
    lines.append(Content.assemble(("\nF1 by class", "bold")))
    left = {row["label"]: row for row in one["classes"]}
    right = {row["label"]: row for row in other["classes"]}
    for label in sorted({**left, **right}):
        line(label, left.get(label, {}).get("f1"), right.get(label, {}).get("f1"))
    lines.append(Content(""))
    for title in ("dataset_version", "parent", "stopped", "parameters", "seconds", "window_s"):
        mine, theirs = _plain(first[title]), _plain(second[title])
        name = title.replace("_", " ")
        lines.append(Content(f"{name:<24}{fit(mine, 24)}  {fit(theirs, 24)}"))
    for side in (first, second):
        if side.get("optimistic"):
            words = f"\n! {side['name']} is optimistic: {safe(side['optimistic'])}"
            lines.append(Content.assemble((words, "$warning")))
    if one["protocol"] != other["protocol"] or one["clips"] != other["clips"]:
        words = "\n! They were judged on different clips: a small difference says little."
        lines.append(Content.assemble((words, "$warning")))
    return Content("\n").join(lines)


def table(rows: Sequence[tuple[str, Any]]) -> Content:
    """`title  value` lines; those without a value are left out."""
    kept = [(title, value) for title, value in rows if value not in (None, "")]
    width = max((len(title) for title, _ in kept), default=0) + 2
    lines = [Content.assemble((title.ljust(width), "bold"), safe(value)) for title, value in kept]
    return Content("\n").join(lines)


def _missed(number: int | None) -> str:
    if number is None:
        return "not known: it was imported"
    return f"{number} while it was trained" + (" (the promise is 0)" if number else "")


def _plain(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_plain(inner)}" for key, inner in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(_plain(inner) for inner in value)
    return "" if value is None else str(value)


def _figure(key: str, value: Any) -> str:
    if value is None:
        return ""
    if key.endswith("_ms"):
        return f"{value:.2f} ms"
    if key.endswith("_bytes"):
        return human_size(value)
    if key.endswith("_s"):
        return human_duration(value)
    if "agreement" in key or "accuracy" in key:
        return percent(value)
    return f"{value:.2g}" if isinstance(value, float) else _plain(value)
