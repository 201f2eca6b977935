"""The examples of docs/hooks.md run, with the programs that they call played by small scripts."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path

import pytest

from appliance.hooks.happening import example
from appliance.hooks.running import Run, run_hook

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "hooks.md"
EXAMPLES = re.findall(r"```sh\n(.*?)```", PAGE.read_text(), re.DOTALL)


@pytest.fixture
def called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """curl and mosquitto_pub that write down how they were called, and what they were sent."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("curl", "mosquitto_pub"):
        script = programs / name
        script.write_text(
            f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/words\ncat > {tmp_path}/sent\n"
        )
        script.chmod(0o755)
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    return tmp_path


def run(folder: Path, number: int, kind: str) -> Run:
    hook = folder / "hook.sh"
    hook.write_text(EXAMPLES[number])
    hook.chmod(0o755)
    return run_hook(hook, example(kind), timeout_s=20)


def test_mqtt_and_the_webhook_send_the_whole_event(called: Path) -> None:
    assert len(EXAMPLES) == 3
    assert run(called, 0, "deployed").ok
    assert "earmark/deployed" in (called / "words").read_text().splitlines()
    assert json.loads((called / "sent").read_text())["event"] == "deployed"
    assert run(called, 1, "detection").ok
    assert json.loads((called / "sent").read_text())["detection"]["label"] == "smoke alarm"


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_the_push_message_names_what_was_heard(called: Path) -> None:
    assert run(called, 2, "detection").ok
    words = (called / "words").read_text()
    assert "Title: smoke alarm" in words
    assert "heard with 97 %" in words
