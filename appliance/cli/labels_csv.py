"""`labels.csv`: `file,label` and any further columns, as spreadsheets write it.

A byte order mark, UTF-16, a `sep=;` line and `;`, tab or `|` between the columns are understood.
Paths are below the table's own folder: a table from elsewhere never reaches another file.
"""

from __future__ import annotations

import codecs
import csv
import io
import re
import unicodedata
from pathlib import Path, PurePosixPath

from appliance.cli.import_folder import (
    Entry,
    ImportPlan,
    Refused,
    check_file,
    clean_label,
    label_problem,
    name_problem,
)
from appliance.errors import InvalidInput

SEPARATORS = ",;\t|"
_NEEDS = "its first line must name the columns, at least file and label: file,label"


def read_labels(table: Path, session_column: str | None) -> ImportPlan:
    """Each row as an entry or a refusal. A row without a label gives a clip without one.

    Raises InvalidInput when the table as a whole cannot be read, or has no `session_column`.
    """
    header, rows = _rows(table)
    columns = {name.casefold(): index for index, name in enumerate(header)}
    session_index = None
    if session_column is not None:
        session_index = columns.get(session_column.strip().casefold())
        if session_index is None:
            raise InvalidInput(
                f"{table.name} has no column {session_column!r}",
                f"it has {', '.join(header)}",
            )
    file_index, label_index = columns["file"], columns["label"]
    plan = ImportPlan()
    seen: dict[str, tuple[int, Entry]] = {}
    contradicted: set[str] = set()
    repeated = 0
    for line, row in rows:
        padded = [*row, *[""] * (len(header) - len(row))]
        given = padded[file_index].strip()
        if len(row) > len(header):
            plan.failed.append(
                Refused(
                    given or f"line {line}",
                    f"line {line} has {len(row)} columns, the first line has {len(header)}",
                    "put texts that contain the separator into quotes",
                )
            )
            continue
        found = _find(table.parent, given, line)
        if isinstance(found, Refused):
            plan.failed.append(found)
            continue
        path, name = found
        label = clean_label(padded[label_index])
        if label is not None and (cause := label_problem(label)):
            plan.failed.append(Refused(name, f"line {line}: {cause}", "use another label"))
            continue
        if name in seen:
            first_line, first = seen[name]
            if label != first.label and name not in contradicted:
                contradicted.add(name)
                plan.failed.append(
                    Refused(
                        name,
                        f"labelled both {first.label!r} (line {first_line}) and {label!r} "
                        f"(line {line})",
                        "a clip has one label: keep one of the lines",
                    )
                )
            repeated += label == first.label
            continue
        session = None
        if session_index is not None:
            session = padded[session_index].strip() or None
        extra = {
            title: padded[index].strip()
            for index, title in enumerate(header)
            if title and index not in (file_index, label_index) and padded[index].strip()
        }
        seen[name] = (line, Entry(path, name, label, session, extra))
    plan.entries = [entry for name, (_, entry) in seen.items() if name not in contradicted]
    if repeated:
        plan.notes.append(f"{repeated} lines of {table.name} repeat a file: it is taken once")
    return plan


def _rows(table: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The header, and each later row that is not empty with the line that it begins on."""
    text = _text(table)
    forced = re.match(r"sep=(.)\r?\n", text)
    separators = forced[1] if forced else SEPARATORS
    body = text[forced.end() :] if forced else text
    offset = 1 if forced else 0
    for separator in separators:
        reader = csv.reader(io.StringIO(body, newline=""), delimiter=separator, strict=True)
        rows = []
        try:
            before = 0
            for row in reader:
                if any(cell.strip() for cell in row):
                    rows.append((before + 1 + offset, row))
                before = reader.line_num
        except csv.Error as error:
            if rows and _named(rows[0][1]):
                raise InvalidInput(
                    f"{table.name} line {reader.line_num + offset}: {error}",
                    "mend that line; quotes must be closed",
                ) from None
            continue
        if rows and _named(rows[0][1]):
            header = [cell.strip() for cell in rows[0][1]]
            folded = [title.casefold() for title in header if title]
            twice = sorted({title for title in folded if folded.count(title) > 1})
            if twice:
                raise InvalidInput(f"{table.name} has two columns {twice[0]!r}", "rename one")
            return header, rows[1:]
    first = body.splitlines()[0][:80] if body.strip() else ""
    said = f"its first line is {first!r}" if first else "it is empty"
    raise InvalidInput(f"{table.name} has no columns file and label: {said}", _NEEDS)


def _named(row: list[str]) -> bool:
    return {"file", "label"} <= {cell.strip().casefold() for cell in row}


def _text(table: Path) -> str:
    raw = table.read_bytes()
    wide = raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = raw.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InvalidInput(
            f"{table.name} is not UTF-8: see line {line}", "save it as CSV in UTF-8"
        ) from None
    if "\0" in text:
        raise InvalidInput(f"{table.name} is no text: it contains zero bytes", _NEEDS)
    return text


def _find(root: Path, given: str, line: int) -> tuple[Path, str] | Refused:
    """The file that a row names, with its name below `root`; or why it is refused."""
    if not given:
        return Refused(f"line {line}", "names no file")
    if cause := name_problem(given):
        return Refused(given, f"line {line}: {cause}", "rename it")
    for spelling in _spellings(given):
        pure = PurePosixPath(spelling)
        if pure.is_absolute() or re.match(r"[A-Za-z]:[\\/]|\\\\", given):
            return Refused(
                given, f"line {line}: an absolute path", "give paths below the table's own folder"
            )
        if ".." in pure.parts:
            return Refused(
                given, f"line {line}: leads out of the folder", "leave '..' out of the paths"
            )
        path, name = root / pure, pure.as_posix()
        if path.exists() or path.is_symlink():
            refusal = check_file(path, name)
            return refusal or (path, name)
    return Refused(given, f"line {line}: there is no such file")


def _spellings(given: str) -> list[str]:
    """The name as it stands, with a Windows separator turned, and in both Unicode forms."""
    turned = given.replace("\\", "/")
    forms = [given, turned]
    forms += [unicodedata.normalize(form, turned) for form in ("NFC", "NFD")]
    return list(dict.fromkeys(forms))
