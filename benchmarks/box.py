"""A real daemon in a folder of its own, for the benchmarks that look at the box from outside."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from appliance.client import Client, ClientError

EARMARK = [sys.executable, "-m", "appliance.cli"]
START_S = 120.0


@contextmanager
def daemon(data: Path) -> Generator[int, None, None]:
    """Runs while the block does; gives its process id."""
    environment = {**os.environ, "EARMARK_HTTP_PORT": "0", "EARMARK_LOG": "ERROR"}
    command = [*EARMARK, "--data", str(data), "serve"]
    with subprocess.Popen(command, env=environment) as process:
        try:
            _wait(data, process)
            yield process.pid
        finally:
            process.terminate()


def _wait(data: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the daemon ended at its start with status {process.returncode}")
        try:
            with Client.find(data=data) as client:
                client.get("/status")
        except ClientError:
            time.sleep(0.1)
        else:
            return
    sys.exit(f"the daemon did not answer within {START_S:.0f} s")
