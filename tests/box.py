"""A real daemon on a folder of its own, for the tests that look at the box from outside."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from appliance.client import Client, ClientError
from tests.waiting import PATIENCE_S
from tests.waiting import until as until  # for those who import it with the box


class Box:
    """Start, stop, kill and come back; `client` speaks over the unix socket. `program`: what
    Python runs as the daemon."""

    def __init__(self, data: Path, **environment: str) -> None:
        self.data = data
        self.log = data.with_suffix(".log")
        # Tests run beside each other: trainings of as many threads as there are cores would wait
        # for one another's, and burn in spinning what the work itself takes.
        self.environment = {
            "EARMARK_HTTP_PORT": "0",
            "EARMARK_TRAINING_THREADS": "1",
            **environment,
        }
        self.program = ["-m", "appliance.cli", "--data", str(data), "serve"]
        self.process: subprocess.Popen[bytes] | None = None
        self.client: Client | None = None

    def start(self, timeout: float = PATIENCE_S) -> Client:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, *self.program],
                stdout=log,
                stderr=log,
                env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + timeout
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise AssertionError(f"the daemon ended at its start:\n{self.log.read_text()}")
            try:
                self.client = Client.find(data=self.data)
                self.client.get("/status")
            except ClientError:
                self._hang_up()
                time.sleep(0.1)
            else:
                return self.client
        raise AssertionError(f"no answer within {timeout} s:\n{self.log.read_text()}")

    def _hang_up(self) -> None:
        if self.client is not None:
            self.client.close()
            self.client = None

    def kill(self) -> None:
        """As a power cut does it: nothing is told."""
        assert self.process is not None
        self._hang_up()
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(PATIENCE_S)

    def stop(self) -> int:
        """As an administrator does it; returns the exit status."""
        assert self.process is not None
        self._hang_up()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE_S)
