"""What an import would take from a folder: a walk, without any network.

Two layouts: a folder with one folder a class (files in deeper folders belong to the class at the
top), or a folder with a `labels.csv`. What cannot be taken is listed by name and cause; nothing
is left out in silence.
"""

from __future__ import annotations

import os
import re
import stat
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from appliance.errors import InvalidInput
from appliance.text import count

COMMON = frozenset((".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3"))
AUDIO = COMMON | {".aif", ".aiff", ".aifc", ".au", ".snd", ".caf", ".w64", ".rf64"}
# Sound that the box cannot decode: left out by name and cause, not as "no audio".
FOREIGN = frozenset((".m4a", ".aac", ".wma", ".mp4", ".amr", ".webm", ".3gp", ".ape", ".wv"))
LABELS_FILE = "labels.csv"
DATABASE = "earmark.db"  # what a data folder is known by
LONGEST_LABEL = 64


@dataclass(frozen=True)
class Entry:
    """One file to import. `name` is its path below the folder, with `/`; `session` None means
    that it stands alone; `extra` holds further columns of labels.csv."""

    path: Path
    name: str
    label: str | None = None
    session: str | None = None
    extra: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Refused:
    """A file that is not imported, and why. `advice` may be empty."""

    name: str
    cause: str
    advice: str = ""


@dataclass
class ImportPlan:
    """Entries in natural order; `failed` are sounds that should have come and cannot; `skipped`
    is what is no sound or hidden; `notes` are lines that a person should read."""

    entries: list[Entry] = field(default_factory=list)
    failed: list[Refused] = field(default_factory=list)
    skipped: list[Refused] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def plan_import(
    path: Path,
    *,
    label: str | None = None,
    session_column: str | None = None,
    session_pattern: str | None = None,
) -> ImportPlan:
    """Walk `path`: a folder, a CSV file beside its sounds, or one sound.

    `label` gives all files this label whatever their folders say. Raises InvalidInput when the
    whole cannot be understood: a broken labels.csv, an unknown column, a bad pattern.
    """
    from appliance.cli.labels_csv import read_labels

    pattern = _compiled(session_pattern)
    _check_place(path)
    table = path if path.suffix.lower() == ".csv" else path / LABELS_FILE
    if table.is_file():
        if label is not None:
            raise InvalidInput(
                f"--label does not go with {table.name}, which labels each file itself",
                f"leave --label out, or rename {table.name}",
            )
        plan = read_labels(table, session_column)
        _note_unlisted(plan, table)
    elif session_column is not None:
        raise InvalidInput(
            f"--session-column needs a {LABELS_FILE}, and there is none in {path}",
            "use --session-pattern to read the session from the names of the files",
        )
    elif path.is_dir():
        plan = _walk_classes(path, label)
    else:
        plan = ImportPlan()
        _take(plan, path, path.name, label, listed=True)
    if pattern is not None:
        _apply_pattern(plan, pattern)
    if plan.entries and (session_column or session_pattern):
        alone = sum(entry.session is None for entry in plan.entries)
        if alone:
            without = _files_that(alone, "have", "has")
            plan.notes.append(f"{without} no session: each stands alone, as one recording")
    plan.entries.sort(key=lambda entry: natural(entry.name))
    return plan


def _check_place(path: Path) -> None:
    """Raises InvalidInput where no recordings for an import can lie."""
    if not path.exists():
        raise InvalidInput(
            f"there is nothing at {path}",
            f"give a folder with one folder a class, a folder with a {LABELS_FILE}, or a sound",
        )
    here = path.absolute()
    for folder in (here, *here.parents):
        if (folder / DATABASE).is_file():
            raise InvalidInput(
                f"{folder} is the data folder of an Earmark, not a folder of recordings",
                "its clips are in that box already; for another box, write them with "
                "`earmark export FOLDER` and import that",
            )


def _files_that(number: int, many: str, one: str) -> str:
    """`1 file lies`, `3 files lie`."""
    return f"{count(number, 'file')} {one if number == 1 else many}"


def natural(name: str) -> tuple[object, ...]:
    """A key that puts `clip10` behind `clip9`."""
    parts = re.split(r"(\d+)", name.casefold())
    return (*((1, int(p), "") if p.isdecimal() else (0, 0, p) for p in parts), (2, 0, name))


def name_problem(name: str) -> str | None:
    """Why a file cannot be taken under this name, or None."""
    for character in name:
        category = unicodedata.category(character)
        if category == "Cs":
            return "its name is not valid UTF-8"
        if category in ("Cc", "Zl", "Zp"):
            return "its name contains a line break or another control character"
    return None


def label_problem(label: str) -> str | None:
    """Why this cannot be a label, or None. The daemon has the last word."""
    if len(label) > LONGEST_LABEL:
        return f"the label {label[:20] + '…'!r} is longer than {LONGEST_LABEL} characters"
    if "/" in label or label in (".", "..") or name_problem(label):
        return f"{label!r} cannot be a label"
    return None


def clean_label(text: str) -> str | None:
    """The label as the daemon stores it; None for an empty one."""
    return unicodedata.normalize("NFC", text).strip() or None


def _compiled(pattern: str | None) -> re.Pattern[str] | None:
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise InvalidInput(
            f"--session-pattern is not a regular expression: {error}",
            r"an example is '^\d-(\d+)': what the first group finds is the session",
        ) from None


def _apply_pattern(plan: ImportPlan, pattern: re.Pattern[str]) -> None:
    """The session is the groups of the match in the file's name, or the whole match."""
    found = False
    for index, entry in enumerate(plan.entries):
        match = pattern.search(entry.path.name)
        if match is None:
            continue
        key = "-".join(g for g in match.groups() if g) if pattern.groups else match[0]
        if key.strip():
            found = True
            plan.entries[index] = Entry(entry.path, entry.name, entry.label, key, entry.extra)
    if plan.entries and not found:
        raise InvalidInput(
            f"--session-pattern {pattern.pattern!r} finds nothing in any of the "
            f"{len(plan.entries)} names, for example {plan.entries[0].path.name!r}",
            "mend the pattern, or leave it out so that each file stands alone",
        )


def _walk_classes(root: Path, label: str | None) -> ImportPlan:
    plan = ImportPlan()
    loose = 0
    for path, name in _files(root, plan):
        folder, slash, _ = name.partition("/")
        if not slash:
            loose += _take(plan, path, name, label)
            continue
        given = label if label is not None else clean_label(folder)
        _take(plan, path, name, given)
    for inner in sorted(root.glob(f"*/{LABELS_FILE}")):
        plan.notes.append(
            f"{inner.parent.name}/ has a {LABELS_FILE} of its own: "
            "import that folder by itself to use it"
        )
    if loose and label is None:
        plan.notes.append(
            f"{_files_that(loose, 'lie', 'lies')} in no class folder, so without a label"
        )
    return plan


def _files(root: Path, plan: ImportPlan) -> Iterator[tuple[Path, str]]:
    """Every file below `root` in natural order with its name; what is passed over is listed."""

    def unreadable(error: OSError) -> None:
        where = Path(error.filename or root)
        shown = where.relative_to(root).as_posix() if where != root else "."
        plan.failed.append(Refused(shown, f"the folder cannot be read: {error.strerror}"))

    for folder, folders, files in os.walk(root, onerror=unreadable):
        here = Path(folder)
        below = here.relative_to(root).as_posix()
        prefix = "" if below == "." else f"{below}/"
        kept = []
        for name in sorted(folders, key=natural):
            if name.startswith(".") or name == "__MACOSX":
                plan.skipped.append(Refused(f"{prefix}{name}/", "hidden"))
            elif (here / name / DATABASE).is_file():
                plan.skipped.append(Refused(f"{prefix}{name}/", "the data folder of an Earmark"))
            elif (here / name).is_symlink():
                plan.skipped.append(Refused(f"{prefix}{name}/", "a link to another folder"))
            else:
                kept.append(name)
        folders[:] = kept
        for name in sorted(files, key=natural):
            yield here / name, prefix + name


def _take(
    plan: ImportPlan, path: Path, name: str, label: str | None, *, listed: bool = False
) -> bool:
    """Put one file where it belongs; True when it is an entry. A `listed` file was named by the
    person: it is tried whatever its name ends in."""
    suffix = path.suffix.lower()
    if path.name.startswith(".") and not listed:
        plan.skipped.append(Refused(name, "hidden"))
    elif suffix not in AUDIO | FOREIGN and not listed:
        plan.skipped.append(Refused(name, "no audio file by its name"))
    elif refusal := check_file(path, name):
        plan.failed.append(refusal)
    elif suffix in FOREIGN:
        plan.failed.append(
            Refused(name, f"{suffix} cannot be decoded", "convert it to WAV or FLAC first")
        )
    elif label is not None and (cause := label_problem(label)):
        plan.failed.append(Refused(name, cause, "use 1 to 64 characters without '/'"))
    else:
        plan.entries.append(Entry(path, name, label))
        return True
    return False


def check_file(path: Path, name: str) -> Refused | None:
    """Why the file at `path` cannot be imported, as far as its name and kind tell."""
    if cause := name_problem(name):
        return Refused(name, cause, "rename it")
    try:
        mode = path.stat().st_mode
    except OSError as error:
        if path.is_symlink():
            return Refused(name, "a link that leads nowhere")
        return Refused(name, f"cannot be read: {error.strerror}")
    if stat.S_ISDIR(mode):
        return Refused(name, "a folder, not a file")
    if not stat.S_ISREG(mode):
        return Refused(name, "not a regular file")
    if not os.access(path, os.R_OK):
        return Refused(name, "may not be read", "give yourself permission to read it")
    return None


def _note_unlisted(plan: ImportPlan, table: Path) -> None:
    """Sounds beside the table that it does not name."""
    if any(refused.name == table.name for refused in plan.failed):
        return
    listed = {os.path.normpath(entry.path) for entry in plan.entries}
    named = {refused.name for refused in plan.failed}
    beside = ImportPlan()
    missing = [
        name
        for path, name in _files(table.parent, beside)
        if path.suffix.lower() in AUDIO | FOREIGN
        and not path.name.startswith(".")
        and os.path.normpath(path) not in listed
        and name not in named
    ]
    plan.skipped.extend(Refused(name, f"not in {table.name}") for name in missing)
