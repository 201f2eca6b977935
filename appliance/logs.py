"""The daemon's log: its form for a person or for the journal, and the audit log's file."""

from __future__ import annotations

import logging
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path

from appliance.text import safe

FORM = "%(asctime)s %(levelname)s %(name)s: %(message)s"
JOURNAL_FORM = "%(levelname)s %(name)s: %(message)s"
AUDIT = "appliance.audit"
AUDIT_BYTES = 5_000_000
AUDIT_FILES = 3

# A name may hold " by ", a path cannot hold a space.
_ENTRY = re.compile(r"(?P<at>\S+) (?P<what>\S+ \S+) by (?P<who>.*): (?P<status>\d+)")

# sd-daemon(3): what systemd reads at the beginning of a line.
_PRIORITIES = (
    (logging.CRITICAL, 2),
    (logging.ERROR, 3),
    (logging.WARNING, 4),
    (logging.INFO, 6),
    (logging.NOTSET, 7),
)


class JournalFormatter(logging.Formatter):
    """Each line begins with its priority, such as `<4>`; the journal has the time already. A
    traceback's lines have it too: each is an entry of its own."""

    def __init__(self) -> None:
        super().__init__(JOURNAL_FORM)

    def format(self, record: logging.LogRecord) -> str:
        priority = next(code for level, code in _PRIORITIES if record.levelno >= level)
        return "\n".join(f"<{priority}>{line}" for line in super().format(record).split("\n"))


def begin(environment: Mapping[str, str] | None = None) -> None:
    """Log to standard error; with priorities where that is the journal."""
    environment = os.environ if environment is None else environment
    handler = logging.StreamHandler()
    journal = _is_journal(environment.get("JOURNAL_STREAM", ""))
    handler.setFormatter(JournalFormatter() if journal else logging.Formatter(FORM))
    level = environment.get("EARMARK_LOG", "INFO").upper()
    # The audit log has a level of its own; here it is as quiet as the rest.
    handler.setLevel(level)
    logging.basicConfig(level=level, handlers=[handler])


def _is_journal(named: str) -> bool:
    """Whether standard error is the stream that JOURNAL_STREAM (device:inode) names: a child
    whose output went elsewhere inherits the variable all the same."""
    try:
        here = os.fstat(2)
    except OSError:
        return False
    return named == f"{here.st_dev}:{here.st_ino}"


class AuditFile(RotatingFileHandler):
    """Appends each change that was let in: `when method path by whom: status`. Put it on the
    logger AUDIT. Only the owner may read it. A disk that refuses costs the line, never the
    request."""

    def __init__(self, file: Path) -> None:
        super().__init__(file, maxBytes=AUDIT_BYTES, backupCount=AUDIT_FILES, delay=True)
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
        self._refused = False

    def format(self, record: logging.LogRecord) -> str:
        # A line an entry, whatever a name holds.
        return safe(super().format(record).replace("\n", " "))

    def _open(self) -> TextIOWrapper:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        descriptor = os.open(self.baseFilename, flags, 0o600)
        return open(descriptor, "a", encoding="utf-8", errors="backslashreplace")  # noqa: PTH123

    def handleError(self, record: logging.LogRecord) -> None:
        if not self._refused:
            self._refused = True
            logging.getLogger(__name__).error(
                "the audit log %s cannot be written", self.baseFilename, exc_info=True
            )


def begin_audit(file: Path) -> AuditFile:
    """Keep every change in `file` from now on, however quiet the log is."""
    audit = AuditFile(file)
    logger = logging.getLogger(AUDIT)
    logger.setLevel(logging.INFO)
    logger.addHandler(audit)
    return audit


def end(audit: AuditFile) -> None:
    """Take it off its logger and close it."""
    logging.getLogger(AUDIT).removeHandler(audit)
    audit.close()


@dataclass(frozen=True)
class Change:
    """One entry of the audit log. at: local time with its offset. what: method and path. status:
    how it was answered."""

    at: str
    who: str
    what: str
    status: int


def changes(file: Path, last: int) -> list[Change]:
    """Up to `last` entries, the newest last, from the rotated files too. Empty where none is."""
    found: list[Change] = []
    for number in range(AUDIT_FILES + 1):
        one = file if number == 0 else file.with_name(f"{file.name}.{number}")
        try:
            lines = one.read_text("utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            continue
        entries = [
            Change(match["at"], match["who"], match["what"], int(match["status"]))
            for match in map(_ENTRY.fullmatch, lines)
            if match
        ]
        found = entries[-(last - len(found)) :] + found
        if len(found) >= last:
            break
    return found
