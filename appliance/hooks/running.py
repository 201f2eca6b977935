"""Running one hook: humble, for a limited time, its output kept short."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from appliance import clock
from appliance.hooks.happening import Happening

OUTPUT_BYTES = 16_384
NICE = 19
GRACE_S = 2.0
_LOOK_S = 0.1
# No token and nothing of the service: a hook that wants the API reads the token by itself.
_KEPT = ("PATH", "HOME", "LANG", "LC_ALL", "TZ", "USER", "LOGNAME", "SSL_CERT_FILE")


@dataclass(frozen=True)
class Run:
    """status: the exit status, negative for a signal, None when it could not be started or was
    ended at its time limit. output: the beginning of what it wrote to both outputs."""

    status: int | None
    seconds: float
    output: str
    problem: str

    @property
    def ok(self) -> bool:
        return self.status == 0


def run_hook(
    path: Path, happening: Happening, *, timeout_s: float, extra: Mapping[str, str] | None = None
) -> Run:
    """Run the program at `path` with the happening as JSON on its standard input.

    Its environment: PATH and the like, EARMARK_EVENT, and `extra`. It runs at the lowest priority
    in a process group of its own, of which nothing is left when this returns.
    """
    began = clock.seconds()
    environment = {name: os.environ[name] for name in _KEPT if name in os.environ}
    environment.update(extra or {})
    environment["EARMARK_EVENT"] = happening.kind
    try:
        process = _start(path, happening, environment)
    except OSError as error:
        return Run(None, 0.0, "", f"it cannot be started: {error.strerror or error}")
    output, late = _follow(process, began + timeout_s)
    seconds = clock.seconds() - began
    if late:
        return Run(None, seconds, output, f"it was ended after {timeout_s:g} s, its time limit")
    status = process.returncode
    problem = "" if status == 0 else f"exit status {status}"
    return Run(status, seconds, output, problem)


def _start(
    path: Path, happening: Happening, environment: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    gate, opened = os.pipe()
    # In memory rather than a pipe, so that a hook which does not read it blocks nobody.
    told = os.memfd_create("event")
    try:
        os.write(opened, b"g")  # it need not wait for anything
        os.write(told, json.dumps(happening.told(), default=str).encode() + b"\n")
        os.lseek(told, 0, os.SEEK_SET)
        launcher = (sys.executable, "-m", "appliance.jobs.launch")
        return subprocess.Popen(
            [*launcher, str(gate), str(os.getpid()), str(NICE), str(path)],
            stdin=told,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=path.parent,
            env={**environment, **_import_path()},
            pass_fds=[gate],
            start_new_session=True,
        )
    finally:
        for descriptor in (gate, opened, told):
            os.close(descriptor)


def _import_path() -> dict[str, str]:
    """The launcher must find this package, wherever the hook's folder is."""
    return {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}


def _follow(process: subprocess.Popen[bytes], deadline: float) -> tuple[str, bool]:
    """Its output, and whether it had to be ended. What it left behind is killed."""
    kept, late, kill_at = bytearray(), False, float("inf")
    assert process.stdout is not None
    with process.stdout as pipe:
        os.set_blocking(pipe.fileno(), False)
        while not _has_ended(process):
            select.select([pipe], [], [], _LOOK_S)
            _take(pipe.fileno(), kept)
            now = clock.seconds()
            if now >= kill_at:
                _signal(process, signal.SIGKILL)
            elif now >= deadline and not late:
                late, kill_at = True, now + GRACE_S
                _signal(process, signal.SIGTERM)
        # Not yet reaped: the group's id is still its own.
        _signal(process, signal.SIGKILL)
        process.wait()
        _take(pipe.fileno(), kept)
    return kept[:OUTPUT_BYTES].decode(errors="replace").strip(), late


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def _take(descriptor: int, kept: bytearray) -> None:
    """Read what is there; only the beginning is kept. At most 1 MB at once, lest a hook that
    writes without end keep us from looking at the clock."""
    with contextlib.suppress(BlockingIOError):
        for _ in range(16):
            data = os.read(descriptor, 65_536)
            if not data:
                return
            if len(kept) < OUTPUT_BYTES:
                kept += data


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)
