"""Promise 1, on a file system whose power is cut: the short form of benchmarks/power_cut.py."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import REPOSITORY

CANNOT = 77


def test_acknowledged_clips_survive_power_cuts() -> None:
    done = subprocess.run(
        [sys.executable, "benchmarks/power_cut.py", "--cuts", "3", "--control", "2", "--json"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if done.returncode == CANNOT:
        pytest.skip(done.stderr.strip())
    figures = json.loads(done.stdout)
    product = figures["tallies"].pop("product")
    assert product["cuts"] == 3
    assert product["acknowledged"] > 0
    assert (product["lost"], product["violations"]) == (0, 0), product["examples"]
    assert len(figures["tallies"]) == 2
    for name, control in figures["tallies"].items():
        assert control["lost"] + control["violations"] > 0, f"{name} lost nothing: blind"
    assert done.returncode == 0
