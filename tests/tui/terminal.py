"""The UI in a pseudo-terminal of its own, as a person runs it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from pathlib import Path


class Terminal:
    """`earmark tui` in a pty; everything that it writes is kept."""

    def __init__(self, data: Path, *options: str, size: tuple[int, int] = (80, 24)) -> None:
        columns, rows = size
        self.written = b""
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            environment = {
                **os.environ,
                "TERM": "xterm-256color",
                "COLORTERM": "truecolor",
                "LC_ALL": "C.UTF-8",
            }
            command = [sys.executable, "-m", "appliance.cli", "--data", str(data), "tui", *options]
            os.execve(sys.executable, command, environment)
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.before = termios.tcgetattr(self.fd)

    def read(self, seconds: float) -> bytes:
        """What comes within that time."""
        end = time.monotonic() + seconds
        got = b""
        while (left := end - time.monotonic()) > 0:
            ready, _, _ = select.select([self.fd], [], [], left)
            if not ready:
                break
            try:
                block = os.read(self.fd, 1 << 16)
            except OSError:
                break  # the other side is gone
            if not block:
                break
            got += block
        self.written += got
        return got

    def wait_for(self, words: bytes, timeout: float = 120.0) -> None:
        end = time.monotonic() + timeout
        while words not in self.written:
            if time.monotonic() > end:
                raise AssertionError(f"never written: {words!r}; {self.written[-2000:]!r}")
            self.read(0.1)

    def send(self, keys: bytes) -> None:
        os.write(self.fd, keys)

    def signal(self, number: signal.Signals) -> None:
        os.kill(self.pid, number)

    def hang_up(self) -> None:
        """As a line does that drops."""
        os.close(self.fd)
        self.fd = -1

    def ended(self, timeout: float = 120.0) -> int:
        """Wait for its end; the exit status as of `os.waitstatus_to_exitcode`."""
        end = time.monotonic() + timeout
        while time.monotonic() < end:
            if self.fd >= 0:
                self.read(0.05)
            else:
                time.sleep(0.05)
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                return os.waitstatus_to_exitcode(status)
        raise AssertionError("it does not end")

    def close(self) -> None:
        try:
            os.kill(self.pid, signal.SIGKILL)
            os.waitpid(self.pid, 0)
        except (ProcessLookupError, ChildProcessError):
            pass  # ended, as it should
        if self.fd >= 0:
            os.close(self.fd)
