"""The child: behind its gate, humble, with a clean environment, and gone when it shall be."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from appliance.jobs.process import Child, clean_environment, end_stranger, start_ticks
from tests.jobs.house import until

LOOK = """
import json, os, sys, time
print(json.dumps({
    "pid": os.getpid(),
    "nice": os.getpriority(os.PRIO_PROCESS, 0),
    "oom": int(open("/proc/self/oom_score_adj").read()),
    "autogroup": "".join(open(f).read() for f in ["/proc/self/autogroup"] if os.path.exists(f)),
    "group": os.getpgid(0) == os.getpid(),
    "environment": dict(os.environ),
    "files": sorted(os.listdir("/proc/self/fd")),
}), flush=True)
time.sleep(float(sys.argv[1]))
"""
Start = Callable[..., Child]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    children: list[Child] = []

    def begin(code: str = LOOK, *arguments: str) -> Child:
        child = Child(
            [sys.executable, "-c", code, *arguments],
            log_file=tmp_path / "log",
            nice=7,
            environment=clean_environment(
                {"PATH": os.environ["PATH"], "EARMARK_TOKEN": "secret", "LC_ALL": "C.UTF-8"}, 3
            ),
        )
        children.append(child)
        return child

    yield begin
    for child in children:
        child.end()


def test_it_is_humble_and_knows_no_secret(start: Start, tmp_path: Path) -> None:
    child = start(LOOK, "0")
    child.release()
    assert until(lambda: child.poll() is not None, "its end")
    assert child.poll() == 0
    said = json.loads((tmp_path / "log").read_text())
    assert said["pid"] == child.pid, "the pid that was committed is the worker's"
    assert (said["nice"], said["oom"], said["group"]) == (7, 500, True)
    # Where the kernel groups sessions, the group is as humble as its one process.
    assert not said["autogroup"] or said["autogroup"].split()[-1] == "7"
    assert "EARMARK_TOKEN" not in said["environment"]
    assert said["environment"]["LC_ALL"] == "C.UTF-8"
    assert said["environment"]["OMP_NUM_THREADS"] == "3"
    assert len(said["files"]) <= 4, "no file of the daemon's is open in it"


def test_nothing_happens_before_the_gate_opens(start: Start, tmp_path: Path) -> None:
    child = start(LOOK, "0")
    time.sleep(0.4)
    assert child.poll() is None
    assert (tmp_path / "log").read_bytes() == b""
    child.release()
    until(lambda: child.poll() is not None, "its end")
    assert (tmp_path / "log").read_bytes() != b""


def test_without_permission_it_goes_away(start: Start, tmp_path: Path) -> None:
    """As when the daemon dies between making the process and committing its pid."""
    child = start(LOOK, "0")
    child._close_gate()
    until(lambda: child.poll() is not None, "its end")
    assert child.poll() == 96
    assert (tmp_path / "log").read_bytes() == b""


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import sys, time\n"
            "from pathlib import Path\n"
            "from appliance.jobs.process import Child\n"
            "child = Child(['sleep', '600'], log_file=Path(sys.argv[1]), nice=0, environment={\n"
            "    'PATH': '/usr/bin:/bin'})\n"
            "child.release()\n"
            "print(child.pid, flush=True)\n"
            "time.sleep(600)\n",
            str(tmp_path / "log"),
        ],
        stdout=subprocess.PIPE,
    )
    assert parent.stdout is not None
    try:
        pid = int(parent.stdout.readline())
        name = Path(f"/proc/{pid}/comm")
        until(lambda: name.read_text().strip() == "sleep", "the child to be itself")
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    until(lambda: start_ticks(pid) is None, "the child to end")


def test_what_it_leaves_in_its_group_goes_too(start: Start, tmp_path: Path) -> None:
    child = start("import subprocess; print(subprocess.Popen(['sleep', '600']).pid, flush=True)")
    child.release()
    until(lambda: child.poll() is not None, "its end")
    grandchild = int((tmp_path / "log").read_text())
    until(lambda: start_ticks(grandchild) is None, "its own child to end")


def test_a_paused_child_hears_that_it_shall_end(start: Start, tmp_path: Path) -> None:
    child = start(LOOK, "600")
    child.release()
    until(lambda: (tmp_path / "log").read_bytes() != b"", "its first word")
    child.pause()
    until(lambda: _state(child.pid) == "T", "the pause")
    child.terminate()
    until(lambda: child.poll() is not None, "its end")
    assert child.poll() == -signal.SIGTERM


def test_an_ended_child_is_signalled_no_more(start: Start) -> None:
    child = start("pass")
    child.release()
    until(lambda: child.poll() is not None, "its end")
    child.terminate()
    child.kill()
    child.end()
    assert child.poll() == 0


def test_a_stranger_is_known_by_its_start_and_its_folder(tmp_path: Path) -> None:
    folder, link = tmp_path / "jobs" / "1", tmp_path / "link"
    folder.mkdir(parents=True)
    link.symlink_to(tmp_path / "jobs")
    sleeper = [sys.executable, "-c", "import time; time.sleep(600)"]
    stranger = subprocess.Popen([*sleeper, str(link / "1")], start_new_session=True)
    try:
        started = start_ticks(stranger.pid)
        assert started is not None
        assert not end_stranger(stranger.pid, started + 1, folder)
        assert not end_stranger(stranger.pid, started, tmp_path / "copy" / "1")
        assert stranger.poll() is None
        assert end_stranger(stranger.pid, started, folder)
        assert stranger.wait(60) == -signal.SIGKILL
    finally:
        stranger.kill()
    assert not end_stranger(stranger.pid, started, folder)


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
