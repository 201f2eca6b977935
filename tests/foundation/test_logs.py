"""Lines for the journal, and an audit log that turns over."""

from __future__ import annotations

import logging
import subprocess
import sys
from pathlib import Path

import pytest

from appliance import logs


def record(message: str, level: int = logging.INFO) -> logging.LogRecord:
    return logging.LogRecord(logs.AUDIT, level, "x", 1, message, None, None)


def test_every_line_for_the_journal_has_its_priority() -> None:
    form = logs.JournalFormatter()
    text = form.format(record("one\ntwo", logging.WARNING))
    assert text == "<4>WARNING appliance.audit: one\n<4>two"
    assert form.format(record("x", logging.ERROR)).startswith("<3>")
    assert form.format(record("x", logging.DEBUG)).startswith("<7>")


def test_the_audit_log_turns_over_and_is_read_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logs, "AUDIT_BYTES", 2000)
    file = tmp_path / "audit.log"
    handler = logs.AuditFile(file)
    for number in range(200):
        handler.emit(record(f"POST /api/v1/labels by a by b: c\n{number}: 201"))
    handler.close()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "audit.log",
        "audit.log.1",
        "audit.log.2",
        "audit.log.3",
    ]
    assert all(path.stat().st_size <= 2000 for path in tmp_path.iterdir())
    kept = logs.changes(file, 1000)
    assert [entry.who for entry in kept] == [
        f"a by b: c {number}" for number in range(200 - len(kept), 200)
    ]
    assert logs.changes(file, 3) == kept[-3:]
    assert logs.changes(tmp_path / "none", 3) == []


def test_the_audit_log_is_kept_when_the_log_is_quiet_and_only_the_journal_gets_priorities(
    tmp_path: Path,
) -> None:
    program = (
        "import logging, os, sys\nfrom pathlib import Path\nfrom appliance import logs\n"
        "here = os.fstat(2)\nname = f'{here.st_dev}:{here.st_ino}'\n"
        "logs.begin({'EARMARK_LOG': 'warning', 'JOURNAL_STREAM': name if sys.argv[1] else '1:2'})\n"
        "logs.begin_audit(Path(sys.argv[2]))\n"
        "logging.getLogger(logs.AUDIT).info('POST /x by me: 200')\n"
        "logging.getLogger('x').error('lost')\n"
    )
    for journal, wanted in (("yes", "<3>ERROR x: lost\n"), ("", " ERROR x: lost\n")):
        audit = tmp_path / f"audit{journal}"
        ran = subprocess.run(
            [sys.executable, "-c", program, journal, audit],
            stderr=subprocess.PIPE,
            text=True,
            check=True,
        )
        assert ran.stderr.endswith(wanted)
        assert len(ran.stderr.splitlines()) == 1
        assert [entry.who for entry in logs.changes(audit, 5)] == ["me"]
