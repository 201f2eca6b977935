"""The daemon that the demo starts for itself, as a child in a session of its own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from appliance.client import Client, DaemonUnreachable
from appliance.demo import folder
from appliance.errors import Unavailable

PORT = 8710
_START_S = 60.0
_STOP_S = 25.0


class Box:
    """`start` it, talk to it through `client()`, and `stop` it or `leave` it running."""

    def __init__(self, root: Path, port: int | None = None) -> None:
        self.root = root.absolute()
        self.port = port if port is not None else free_port()
        self.log = self.root / "daemon.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None, "the box was not started"
        return self._process.pid

    def start(self) -> None:
        """Raises Unavailable with the log's last lines when it does not come up."""
        command = [sys.executable, "-m", "appliance.cli", "serve"]
        command += ["--data", str(self.root), "--port", str(self.port)]
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # It outlives the demo, and Ctrl-C in the demo's terminal is not for it.
                start_new_session=True,
            )
        folder.remember(self.root, self.pid)
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                raise Unavailable(
                    f"the daemon ended at once: {self._last_words()}", f"its log is {self.log}"
                )
            try:
                with self.client() as client:
                    if client.healthy():
                        return
            except DaemonUnreachable:
                pass  # not yet
            time.sleep(0.1)
        raise Unavailable(
            f"the daemon did not answer within {_START_S:.0f} s", f"its log is {self.log}"
        )

    def client(self) -> Client:
        """A connection of one's own, over the box's socket."""
        return Client.find(data=self.root)

    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def leave(self) -> None:
        """Let it run; the marker says which clips are the demo's."""
        folder.remember(self.root, self.pid)

    def stop(self) -> None:
        """End it, by force if it does not end by itself."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(_STOP_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        folder.remember(self.root)

    def _last_words(self) -> str:
        lines = self.log.read_text(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


def free_port() -> int:
    """8710 when nobody has it, else any that is free."""
    for port in (PORT, 0):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Unavailable("no TCP port is free on this machine", "close some programs")


def command_exists(name: str) -> bool:
    """Whether this version of Earmark has the command `earmark NAME`."""
    done = subprocess.run(
        [sys.executable, "-m", "appliance.cli", name, "--help"],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "TERM": "dumb"},
        check=False,
    )
    return done.returncode == 0
