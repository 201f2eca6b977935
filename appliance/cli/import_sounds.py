"""`earmark import PATH`: what is there, what came in, and every file that did not, by name."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from appliance.cli.common import State, command, emit, pass_state
from appliance.cli.durations import DURATION
from appliance.cli.output import count, fold, note, right, safe, say, table
from appliance.units import human_duration

if TYPE_CHECKING:
    from appliance.cli.import_folder import ImportPlan, Refused
    from appliance.cli.import_upload import Outcome

MOST_LISTED = 10
# After Ctrl-C: how long what is on its way may take to arrive.
LAST_WAIT_S = 10.0


@dataclass
class Report:
    """What an import did. `files` is how many were to come, `imported` how many became new clips,
    `known` how many the library had; `failed` is every one that is not in the library."""

    files: int
    imported: int = 0
    clips: int = 0
    known: int = 0
    labelled: int = 0
    failed: list[Refused] = field(default_factory=list)
    kept: list[Refused] = field(default_factory=list)
    skipped: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    complete: bool = False


@command("import", short_help="Import a folder a class, or a labels.csv.")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--label", metavar="LABEL", help="Give every file this label, whatever its folder.")
@click.option(
    "--session-column",
    metavar="NAME",
    help="Files with the same value in this column of labels.csv are one recording session.",
)
@click.option(
    "--session-pattern",
    metavar="REGEX",
    help=r"Files whose names give the same first group are one session: '^\d-(\d+)'.",
)
@click.option("--split", type=DURATION, help="Cut longer files into clips of so many seconds.")
@click.option("--dry-run", is_flag=True, help="Only show what would be imported.")
@click.option(
    "--connections",
    type=click.IntRange(1, 16),
    default=4,
    show_default=True,
    help="Uploads at the same time.",
)
@pass_state
def import_sounds(
    state: State,
    path: Path,
    label: str | None,
    session_column: str | None,
    session_pattern: str | None,
    split: float | None,
    dry_run: bool,
    connections: int,
) -> None:
    """Import recordings (WAV, FLAC, OGG, MP3; any rate and channels).

    PATH is a folder with one folder a class, or a folder with a labels.csv: `file,label` and any
    further columns, which are kept with the clips. A labels.csv or a single sound may be given
    directly. Without a session column or pattern each file stands alone as one recording; files
    of one session never end up on both sides of a split.

    The same file twice is one clip. Run it again after an interruption: it sends what is missing.
    """
    from appliance.cli.import_folder import plan_import
    from appliance.library.names import label_name

    label = None if label is None else label_name(label)  # before any file is read
    if session_column and session_pattern:
        raise click.UsageError("give --session-column or --session-pattern, not both")
    plan = plan_import(
        path,
        label=label,
        session_column=session_column,
        session_pattern=session_pattern,
    )
    if dry_run:
        _show_plan(state, plan)
        raise click.exceptions.Exit(1 if plan.failed else 0)
    report = _run(state, plan, split, connections)
    if state.json:
        emit(asdict(report))
    else:
        _show(report)
    if not report.complete:
        if not state.json:
            note("interrupted: run the same command again, and it sends what is missing")
        raise click.exceptions.Exit(130)
    if not report.files and not report.failed and not state.json:
        note(f"there is no sound in {safe(path)}", "yellow")
    raise click.exceptions.Exit(1 if report.failed or not report.files else 0)


def _run(state: State, plan: ImportPlan, split: float | None, connections: int) -> Report:
    from appliance.cli.import_folder import natural
    from appliance.cli.import_known import settle_known
    from appliance.cli.import_upload import Uploader
    from appliance.cli.progress import Progress
    from appliance.client import ClientError

    report = Report(
        files=len(plan.entries),
        failed=list(plan.failed),
        skipped=plan.skipped,
        notes=list(plan.notes),
    )
    began = time.monotonic()
    outcomes: list[Outcome] = []
    bad = 0
    with state.client() as client:
        client.get("/labels")  # a missing daemon or token is said before any file is read
        uploader = Uploader(state.client, split, min(connections, max(1, len(plan.entries))))
        with Progress("import", len(plan.entries), quiet=state.json) as progress:
            try:
                for outcome in uploader.run(plan.entries):
                    outcomes.append(outcome)
                    bad += outcome.refused is not None
                    progress.update(len(outcomes), f"{bad} failed" if bad else "")
                report.complete = True
            except KeyboardInterrupt:
                outcomes.extend(uploader.finish(LAST_WAIT_S))
            except ClientError as error:
                outcomes.extend(uploader.finish(LAST_WAIT_S))
                into = sum(one.refused is None for one in outcomes)
                raise ClientError(
                    f"{error.message} ({into} of {report.files} files are in)",
                    f"{error.advice}; then run the same command again: it sends what is missing",
                    error.status,
                ) from error
        _settle_twins(outcomes)
        known = [one for one in outcomes if not one.new and not one.refused and not one.twin_of]
        if report.complete:
            report.labelled = settle_known(client, known)
    for outcome in outcomes:
        report.imported += outcome.new
        report.clips += len(outcome.clips) if outcome.new else 0
        report.known += not outcome.new and outcome.refused is None
        if outcome.refused:
            report.failed.append(outcome.refused)
        if outcome.kept:
            report.kept.append(outcome.kept)
    report.failed.sort(key=lambda one: natural(one.name))
    report.kept.sort(key=lambda one: natural(one.name))
    report.seconds = time.monotonic() - began
    return report


def _settle_twins(outcomes: list[Outcome]) -> None:
    """Equal files share a fate: the first was sent for all."""
    from appliance.cli.import_folder import Refused

    by_name = {outcome.entry.name: outcome for outcome in outcomes if not outcome.twin_of}
    for outcome in outcomes:
        if outcome.twin_of is None:
            continue
        first = by_name.get(outcome.twin_of.name)
        if first is None:
            continue  # interrupted before it was sent
        if first.refused:
            outcome.refused = Refused(outcome.entry.name, first.refused.cause, first.refused.advice)
        elif outcome.entry.label not in (None, first.entry.label):
            outcome.kept = Refused(
                outcome.entry.name,
                f"is the same sound as {first.entry.name}, "
                f"labelled {first.entry.label or 'nothing'}: it keeps that",
                "a sound has one label: keep one of the two files",
            )


def _show_plan(state: State, plan: ImportPlan) -> None:
    labels = Counter(entry.label for entry in plan.entries)
    alone = Counter(entry.label for entry in plan.entries if entry.session is None)
    sessions: dict[str | None, set[str]] = {}
    for entry in plan.entries:
        if entry.session is not None:
            sessions.setdefault(entry.label, set()).add(entry.session)
    rows: list[dict[str, Any]] = [
        {
            "label": label,
            "files": labels[label],
            "sessions": alone[label] + len(sessions.get(label, ())),
        }
        for label in sorted(labels, key=lambda label: (label is None, label))
    ]
    if state.json:
        emit(
            {
                "files": len(plan.entries),
                "labels": rows,
                "failed": [asdict(one) for one in plan.failed],
                "skipped": [asdict(one) for one in plan.skipped],
                "notes": plan.notes,
            }
        )
        return
    table(
        [fold("label"), right("files"), right("sessions")],
        [(row["label"] or "(no label)", row["files"], row["sessions"]) for row in rows],
    )
    say(f"{count(len(plan.entries), 'file')} would be imported.")
    _show_left_out(plan.failed, plan.skipped, plan.notes)


def _show(report: Report) -> None:
    parts = [
        f"{count(report.imported, 'file')} imported as {count(report.clips, 'clip')}",
        f"{report.known} already there" if report.known else "",
        f"{count(report.labelled, 'clip')} labelled" if report.labelled else "",
        f"{len(report.failed)} failed" if report.failed else "",
    ]
    speed = (report.imported + report.known) / max(report.seconds, 1e-3)
    say(
        ", ".join(part for part in parts if part)
        + f"; {human_duration(report.seconds)}, {speed:.0f} files/s"
    )
    for one in report.kept[:MOST_LISTED]:
        note(f"kept  {safe(one.name)}: {safe(one.cause)}", "yellow")
    if len(report.kept) > MOST_LISTED:
        note(f"kept  {len(report.kept) - MOST_LISTED} more (all of them with --json)", "yellow")
    _show_left_out(report.failed, report.skipped, report.notes)


def _show_left_out(failed: list[Refused], skipped: list[Refused], notes: list[str]) -> None:
    for line in notes:
        note(f"note  {safe(line)}", "yellow")
    for one in skipped[:MOST_LISTED]:
        note(f"left out  {safe(one.name)}: {safe(one.cause)}", "dim")
    if len(skipped) > MOST_LISTED:
        note(f"left out  {len(skipped) - MOST_LISTED} more (all of them with --json)", "dim")
    for one in failed:
        advice = f" ({safe(one.advice)})" if one.advice else ""
        note(f"failed  {safe(one.name)}: {safe(one.cause)}{advice}", "red")
