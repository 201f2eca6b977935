"""Kill -9 at every step: what was acknowledged is there, no row lacks its file, nothing is half.

Page cache survives a killed process; `test_power_cut.py` is about what does not survive.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.library.audit import audit
from appliance.library.clips import Clips
from appliance.library.datasets import Datasets
from appliance.paths import DataFolder
from appliance.store.database import Database
from tests.conftest import REPOSITORY
from tests.library.conftest import Add

# Every n-th line of each operation; `python -m tests.library.crashes FOLDER add 1` takes them all.
STEPS = {"add": 8, "delete": 4, "cut": 23, "publish": 13, "relabel": 11, "merge": 7}


@pytest.fixture
def place() -> Iterator[Path]:
    """In memory where there is such a place: a killed process leaves there what it would leave
    on a disk, only sooner."""
    shared = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=shared if os.access(shared, os.W_OK) else None) as made:
        yield Path(made)


@pytest.mark.parametrize("operation", STEPS)
def test_a_killed_operation_is_done_whole_or_not_at_all(operation: str, place: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.library.crashes", place, operation, str(STEPS[operation])],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trials = json.loads(done.stdout)
    assert len(trials) > 5, "the operation was hardly interrupted"
    for trial in trials:
        assert trial["violations"] == [], f"killed at line {trial['line']}"
    before, after = trials[0]["state"], trials[-1]["state"]
    assert before != after
    states = [trial["state"] for trial in trials]
    # A new session or an unlinked file may be there already; the clips change in one step.
    changed = states.index(after)
    assert all(one == before for one in states[:changed])
    assert all(one == after for one in states[changed:])
    assert trials[-1]["left"] == 0


def test_the_audit_notices_each_broken_promise(
    clips: Clips, add: Add, db: Database, folder: DataFolder, datasets: Datasets
) -> None:
    """The control: without it, the test above might be blind."""
    made = [add(label) for label in ("dog", "cat") for _ in range(5)]
    datasets.publish("first", "ann")
    assert audit(db, folder) == []

    missing, damaged = clips.path(made[0]), clips.path(made[1])
    whole = damaged.read_bytes()
    missing.rename(folder.root / "aside")
    damaged.write_bytes(whole[:-1])
    with db.write() as tx:
        tx.conn.execute("UPDATE labels SET clips = 7 WHERE name = 'cat'")
    file = folder.dataset("first")
    file.write_text(file.read_text() + " ")
    assert audit(db, folder) == [
        f"clip {made[0].id} has no file",
        f"{damaged.name} is not the sound that its name says",
        "label 'cat' says 7 clips of 5 sessions, but has 5 of 5",
        "the file of dataset version 'first' is not the one that was published",
    ]
