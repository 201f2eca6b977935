"""What is said of a version on its way to listening: the comparison, its report, the engine that
is built, the shadow."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from textual.content import Content

from appliance.comparison_figures import by_label, figures
from appliance.text import count, moment, percent, safe
from appliance.units import human_duration
from tui.draw import fit
from tui.widgets.rows import Row

Facts = Mapping[str, Any]

LABEL_WIDTH = 16


def engine_words(work: Facts | None) -> str:
    """The engine that is being built, or nothing."""
    if work is None or work["state"] != "building":
        return ""
    engine = f"The engine of {safe(work['version'])} in {safe(work['precision'])} is built"
    return f"{engine}: {safe(work['stage'])}, {100 * work['fraction']:.0f} %"


def hearing_words(comparison: Facts | None) -> str:
    """The comparison that runs, or nothing."""
    if comparison is None or comparison["state"] != "running":
        return ""
    progress = comparison["progress"] or {}
    parts = [f"{_sides(comparison)}: {safe(progress.get('phase', 'preparing'))}"]
    parts.append(f"{100 * progress.get('fraction', 0.0):.0f} %")
    if progress.get("left_s"):
        parts.append(f"about {human_duration(progress['left_s'])} left")
    return ", ".join(parts)


def ended_words(comparison: Facts) -> str:
    """How a comparison ended, in one line."""
    name, detail = safe(comparison["candidate"]), safe(comparison["detail"])
    if comparison["purpose"] != "deploy":
        return f"{_sides(comparison)}: {detail}"
    if comparison["state"] == "passed":
        return f"{name} listens: {detail}"
    if comparison["state"] == "refused":
        return f"{name} was refused. {detail}"
    return f"{name} is not deployed: {detail}"


def shadow_words(shadow: Facts | None) -> str:
    """The version that listens silently, or nothing."""
    if shadow is None:
        return ""
    name = safe(shadow["version"])
    if shadow["problem"]:
        return f"! {name} cannot listen silently: {safe(shadow['problem'])}"
    words = f"{name} listens silently beside {safe(shadow['live'] or 'nothing')}"
    heard = f"{human_duration(shadow['heard_s'])} of sound"
    different = count(shadow["disagreements"], "disagreement")
    late = "; it pauses, because listening is late" if shadow["shed"] else ""
    return f"{words}: {heard}, {different}{late}"


def report_rows(comparison: Facts, width: int) -> list[Row]:
    """The report line by line; the rows of gained and lost events have the event as `data`."""
    report = comparison["report"]
    lines: list[tuple[Content, Any]] = []
    for sentence in report.get("regressions", []):
        lines += _wrapped(f"✗ {sentence}", width, "bold $error")
    for sentence in report.get("warnings", []):
        lines += _wrapped(f"! {sentence}", width, "$warning")
    for sentence in report.get("undecided", []):
        lines += _wrapped(f"? not enough to say: {sentence}", width, "$warning")
    if not report.get("compared"):
        notes = report.get("notes") or [comparison["detail"] or "It has not ended yet."]
        for sentence in notes:
            lines += _wrapped(sentence, width)
        return _numbered(lines)
    live, candidate = report["live"]["version"], report["candidate"]["version"]
    column = min(24, max(19, (width - 20) // 3))
    first = max(12, width - 2 * column - 1)
    lines.append((_line("", live, candidate, first, column, "bold"), None))
    for what, left, right in figures(report):
        lines.append((_line(what, left, right, first, column), None))
    for label, before, after in by_label(report):
        line = _line(f"  {safe(label)}", _side(before), _side(after), first, column)
        lines.append((line, None))
    for name, sign, colour in (("gained", "+", "$success"), ("lost", "-", "$error")):
        lines += _events(report, name, sign, colour)
    for sentence in report["notes"]:
        lines += _wrapped(sentence, width, "$secondary")
    return _numbered(lines)


def shadow_rows(shadow: Facts, width: int) -> list[Row]:
    """What a version that listens silently would have reported, beside what was reported."""
    lines = _wrapped(shadow_words(shadow), width, "bold")
    lines += _wrapped(
        f"since {moment(shadow['started_at'])}; {count(shadow['windows'], 'window')}, "
        f"{shadow['missed']} missed; both reported {count(shadow['both'], 'sound')}",
        width,
    )
    if shadow["labels"]:
        first = max(12, width - 36)
        head = f"{'label':<{first}}{'both':>8}{'live only':>12}{'shadow only':>14}"
        lines.append((Content.assemble((head, "bold")), None))
    for row in shadow["labels"]:
        words = f"{row['both']:>8}{row['live_only']:>12}{row['shadow_only']:>14}"
        lines.append((Content(fit(row["label"], first) + words), None))
    return _numbered(lines)


def _sides(comparison: Facts) -> str:
    live = safe(comparison["live"] or "nothing")
    return f"{safe(comparison['candidate'])} is heard against {live}"


def _events(report: Facts, name: str, sign: str, colour: str) -> Iterator[tuple[Content, Any]]:
    total = report[f"{name}_count"]
    if total:
        yield Content.assemble((f"{count(total, 'event')} {name}", "bold")), None
    for event in report[name]:
        other = f", instead of {safe(event['instead'])}" if event["instead"] else ""
        yield (
            Content.assemble(
                (f"  {sign} ", colour),
                fit(event["label"], LABEL_WIDTH),
                f" {percent(event['score']):>7} {moment(event['at'])}  {event['state']}{other}",
            ),
            event,
        )
    if total > len(report[name]):
        yield Content.assemble((f"    and {total - len(report[name])} more", "$secondary")), None


def _line(what: str, before: str, after: str, first: int, column: int, style: str = "") -> Content:
    sides = fit(before, column, right=True) + fit(after, column, right=True)
    return Content.assemble((fit(what, first) + sides, style))


def _side(label: Facts) -> str:
    return f"{label['right']} of {label['clips']}, {count(label['events'], 'event')}"


def _wrapped(text: str, width: int, style: str = "") -> list[tuple[Content, Any]]:
    """A sentence of the daemon on as many lines as it needs."""
    whole = Content.assemble((safe(text), style))
    return [(line, None) for line in whole.wrap(max(20, width))]


def _numbered(lines: list[tuple[Content, Any]]) -> list[Row]:
    return [Row(number, content, data) for number, (content, data) in enumerate(lines)]
