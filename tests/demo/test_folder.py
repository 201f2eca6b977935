"""The demo empties its own folder and no other, and keeps what a person put there."""

from __future__ import annotations

import fcntl
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from appliance.demo import folder
from appliance.errors import Conflict
from appliance.paths import DataFolder


def add_clip(root: Path, name: str) -> Path:
    path = DataFolder(root).clip(name * 32)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"sound")
    return path


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process that holds the folder's lock as a daemon does, until SIGTERM."""
    root = tmp_path / "demo"
    folder.prepare(root)
    code = (
        "import fcntl, sys, time\n"
        f"file = open({str(DataFolder(root).lock)!r}, 'a')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True)\n"
        "time.sleep(60)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield process
        process.kill()


def test_a_new_folder_is_made_for_the_owner_alone(tmp_path: Path) -> None:
    root = tmp_path / "deep" / "demo"
    assert folder.prepare(root) == []
    assert root.stat().st_mode & 0o777 == 0o700
    assert [path.name for path in root.iterdir()] == [folder.MARKER]


def test_the_second_demo_finds_an_empty_folder(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    folder.prepare(root)
    clip = add_clip(root, "ab")
    folder.remember(root)
    assert folder.prepare(root) == []
    assert not clip.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["demo"]


def test_a_folder_that_is_not_a_demos_is_refused_and_untouched(tmp_path: Path) -> None:
    clip = add_clip(tmp_path, "ab")
    with pytest.raises(Conflict, match="not a demo's folder"):
        folder.prepare(tmp_path)
    assert clip.exists()


def test_clips_of_a_person_are_kept_aside(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    folder.prepare(root)
    add_clip(root, "ab")
    folder.remember(root)
    own = add_clip(root, "cd")
    said = folder.prepare(root)
    kept = [path for path in tmp_path.iterdir() if path.name.startswith("demo-kept-")]
    assert len(kept) == 1
    assert (kept[0] / own.relative_to(root)).read_bytes() == b"sound"
    assert str(kept[0]) in said[0]
    assert [path.name for path in root.iterdir()] == [folder.MARKER]


def test_the_daemon_of_the_last_demo_is_stopped(
    daemon: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    root = tmp_path / "demo"
    folder.remember(root, daemon.pid)
    assert folder.prepare(root) == ["stopped the daemon of the demo before"]
    assert daemon.wait(60) == -15


def test_a_daemon_that_no_demo_started_is_refused(
    daemon: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    with pytest.raises(Conflict, match="did not start"):
        folder.prepare(tmp_path / "demo")
    assert daemon.poll() is None


def test_a_process_number_that_was_given_again_is_not_ended(
    daemon: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    root = tmp_path / "demo"
    folder.remember(root, daemon.pid)
    marker = root / folder.MARKER
    started = folder.process_start(daemon.pid)
    marker.write_text(marker.read_text().replace(f'"started": {started}', '"started": 1'))
    with pytest.raises(Conflict, match="did not start"):
        folder.prepare(root)
    assert daemon.poll() is None


def test_a_running_box_with_clips_of_a_person_is_left_alone(
    daemon: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    root = tmp_path / "demo"
    folder.remember(root, daemon.pid)
    own = add_clip(root, "ef")
    with pytest.raises(Conflict, match="clips of") as refused:
        folder.prepare(root)
    assert f"kill {daemon.pid}" in refused.value.advice
    assert daemon.poll() is None
    assert own.exists()


def test_looking_at_the_lock_does_not_keep_it(tmp_path: Path) -> None:
    root = tmp_path / "demo"
    folder.prepare(root)
    with DataFolder(root).lock.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
