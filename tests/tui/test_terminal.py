"""The real command in a real terminal: how it starts, ends, and what it leaves behind."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import Box
from tests.tui.terminal import Terminal

LEFT_BEHIND = (b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?1003l", b"\x1b[?2004l")
"""The other screen, the cursor, the mouse, bracketed paste: all as they were."""


@contextlib.contextmanager
def terminal(data: Path, *options: str) -> Iterator[Terminal]:
    made = Terminal(data, *options)
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("how", ["ctrl+c", "SIGTERM", "SIGINT"])
def test_it_leaves_the_terminal_as_it_was(shared_box: Box, how: str) -> None:
    with terminal(shared_box.data) as screen:
        screen.wait_for(b"connected")
        if how == "ctrl+c":
            screen.send(b"\x03")
        else:
            screen.signal(getattr(signal, how))
        assert screen.ended() == 0
        for sequence in LEFT_BEHIND:
            assert sequence in screen.written, sequence


def test_a_line_that_drops_leaves_no_process_behind(shared_box: Box) -> None:
    with terminal(shared_box.data) as screen:
        screen.wait_for(b"connected")
        screen.hang_up()
        screen.ended()


def test_the_ui_knows_neither_torch_nor_the_server_nor_the_database() -> None:
    script = (
        "import sys, tui.app\n"
        "from tui.pages import PAGES\n"
        "[entry.make for entry in PAGES]\n"
        "import importlib\n"
        "[importlib.import_module(entry.place.partition(':')[0]) for entry in PAGES]\n"
        "bad = {'torch', 'fastapi', 'starlette', 'sqlite_utils', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported: {bad}' if bad else 0)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.skipif(shutil.which("tmux") is None, reason="no tmux: scripts/setup.sh test")
def test_in_tmux_the_daemon_is_killed_and_comes_back(empty_box: Box, tmp_path: Path) -> None:
    """The installed command, as a person over SSH has it."""
    script = Path(sys.executable).with_name("earmark")
    command = f"{script if script.exists() else sys.executable + ' -m appliance.cli'}"
    socket = str(tmp_path / "tmux")

    def tmux(*words: str) -> str:
        # A server of its own, which ends with its last session.
        environment = {**os.environ, "LC_ALL": "C.UTF-8", "TERM": "xterm-256color"}
        done = subprocess.run(
            ["tmux", "-u", "-S", socket, "-f", "/dev/null", *words],
            capture_output=True,
            text=True,
            env=environment,
        )
        return done.stdout

    def shows(words: str, timeout: float = 120.0) -> str:
        end = time.monotonic() + timeout
        while words not in (text := tmux("capture-pane", "-p", "-t", "box")):
            assert time.monotonic() < end, f"never shown: {words!r}\n{text}"
            time.sleep(0.1)
        return text

    run = f"{command} --data {empty_box.data} tui; echo status $?; exec sleep 60"
    tmux("new-session", "-d", "-s", "box", "-x", "100", "-y", "30", run)
    try:
        shows("Nothing is deployed")
        tmux("send-keys", "-t", "box", "F4")
        shows("0 of 2 classes have clips")
        empty_box.kill()
        shows("Trying again")
        empty_box.start()
        shows("The daemon is there again")
        # The place was kept.
        assert "[Train]" in shows("0 of 2 classes have clips")
        tmux("send-keys", "-t", "box", "C-c")
        shows("status 0")
    finally:
        tmux("kill-server")
