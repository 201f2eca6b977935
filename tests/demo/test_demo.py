"""The whole demo, as a person starts it, with fewer sounds."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from appliance.demo import folder
from appliance.paths import DataFolder

SOUNDS = ("dog bark", "door knock", "doorbell", "dripping tap", "smoke alarm")


def demo(root: Path, *options: str, timeout_s: float) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("EARMARK_")}
    return subprocess.run(
        [sys.executable, "-m", "appliance.cli", "--data", str(root), "demo", *options],
        capture_output=True,
        text=True,
        timeout=timeout_s,
        env={**clean, "EARMARK_TRAINING_THREADS": "1"},  # as in tests/box.py
        check=False,
    )


@pytest.mark.slow(130)
@pytest.mark.timeout(900)
def test_a_box_learns_sounds_and_hears_new_ones(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    done = demo(root, "--once", "--short", timeout_s=850)
    log = root / "daemon.log"
    assert done.returncode == 0, done.stdout + done.stderr + log.read_text()[-4000:]
    for sound in SOUNDS:
        assert sound in done.stdout
    assert "every sound here is synthetic" in done.stdout
    assert "V001 listens on" in done.stdout
    assert "new sounds found" in done.stdout
    # --once leaves nothing running, and the marker knows every clip: the next demo may empty it.
    with DataFolder(root).lock.open() as file:
        pid = int(file.read())
    assert folder.process_start(pid) is None
    marker = json.loads((root / folder.MARKER).read_text())
    assert marker["daemon"] is None
    assert len(marker["clips"]) >= 30
    assert "Traceback" not in log.read_text()


def test_a_folder_of_someone_else_is_refused_in_two_lines(tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("mine")
    done = demo(tmp_path, "--once", timeout_s=120)
    assert done.returncode == 1
    assert "is not a demo's folder" in done.stdout
    assert "--data" in done.stdout
    assert "Traceback" not in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["letter.txt"]
