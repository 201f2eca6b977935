"""What every command has in common: JSON and words, events, the daemon that is meant."""

from __future__ import annotations

import json
import re
import time

import pytest

from tests.cli.shell import Shell

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    "words",
    [
        "status",
        "devices",
        "triggers",
        "schedule",
        "background",
        "clips",
        "labels",
        "jobs",
        "versions",
        "deploy",
        "thresholds",
        "detections",
    ],
)
def test_what_only_looks_speaks_json_and_words(shell: Shell, words: str) -> None:
    assert isinstance(shell.json(words), dict)
    done = shell(words)
    assert done.status == 0
    assert done.out.strip()


def test_events_are_lines(shell: Shell) -> None:
    watching = shell.start("events", "--json", "--topic", "label", "--count", "1")
    # Only what happens after it has connected is an event for it.
    deadline = time.monotonic() + 60
    while watching.poll() is None and time.monotonic() < deadline:
        shell("labels", "create", f"label {time.monotonic_ns()}")
    out, err = watching.communicate(timeout=30)
    assert watching.returncode == 0, err
    assert json.loads(out)["topic"] == "label"
    done = shell("events", "--topic", "nonsense")
    assert done.status == 1
    assert "nonsense" in done.err


def test_over_tcp_only_with_the_token(shell: Shell) -> None:
    (port,) = re.findall(r"http://127\.0\.0\.1:(\d+)", shell.box.log.read_text())
    url = f"http://127.0.0.1:{port}"
    assert shell.json("status", "--url", url)["pid"] == shell.box.process.pid  # type: ignore[union-attr]
    done = shell("status", "--url", url, "--token", "wrong")
    assert done.status == 1
    assert len(done.err.splitlines()) == 2
    assert done.out == ""


def test_a_second_daemon_on_the_folder_is_refused(shell: Shell) -> None:
    done = shell("serve", "--port", "0")
    assert done.status == 1
    assert "a daemon already runs on" in done.err.splitlines()[-2]
    assert "Traceback" not in done.err
