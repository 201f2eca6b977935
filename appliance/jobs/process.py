"""The training child: started behind a gate, known by pid and start time, ended for certain."""

from __future__ import annotations

import contextlib
import logging
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from appliance import clock

log = logging.getLogger(__name__)

_KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")
_KEPT_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "XDG_CACHE_HOME", "TORCH_")
_STATE_FIELD, _START_FIELD = 0, 19  # of /proc/PID/stat, after the command


def clean_environment(environment: Mapping[str, str], threads: int) -> dict[str, str]:
    """What a training needs of the daemon's environment: no token, no socket of the service."""
    kept = {
        name: value
        for name, value in environment.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    for library in ("OMP", "MKL", "OPENBLAS"):
        kept[f"{library}_NUM_THREADS"] = str(threads)
    kept["PYTHONUNBUFFERED"] = "1"
    kept["PYTHONFAULTHANDLER"] = "1"
    return kept


def start_ticks(pid: int, proc: Path = Path("/proc")) -> int | None:
    """When process `pid` started, in clock ticks since boot; None when it is gone or a zombie.

    Together with the pid this names a process: a pid that was used again has another start.
    """
    try:
        text = (proc / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[_STATE_FIELD] == "Z" else int(fields[_START_FIELD])


def works_on(pid: int, folder: Path, proc: Path = Path("/proc")) -> bool:
    """Whether the command line of process `pid` names `folder`."""
    try:
        words = (proc / str(pid) / "cmdline").read_bytes().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return False
    wanted = folder.resolve()
    paths = (Path(os.fsdecode(word)) for word in words if word.startswith(b"/"))
    return any(path.name == folder.name and path.resolve() == wanted for path in paths)


def end_stranger(pid: int, started: int, folder: Path, timeout: float = 10.0) -> bool:
    """Kill a process that another daemon started, if it is still that one; True if it lived.

    folder: the job's folder, which the process must have been started for: another box whose data
    this database was copied from knows it by the same pid and start. Its whole group goes with it.
    Returns once it is gone, or after `timeout` seconds.
    """
    try:
        descriptor = os.pidfd_open(pid)
    except ProcessLookupError:
        return False
    try:
        # The descriptor holds on to this process, so the comparison cannot be outrun.
        if start_ticks(pid) != started or not works_on(pid, folder):
            return False
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        ended, _, _ = select.select([descriptor], [], [], timeout)
        if not ended:
            log.error("process %d does not end on SIGKILL", pid)
        return True
    finally:
        os.close(descriptor)


class Child:
    """A process in a group of its own. It waits at its gate until `release()`."""

    def __init__(
        self, command: Sequence[str], *, log_file: Path, nice: int, environment: Mapping[str, str]
    ) -> None:
        """Raises OSError when no process can be made."""
        gate, self._gate = os.pipe()
        launcher = (sys.executable, "-m", "appliance.jobs.launch")
        try:
            with log_file.open("ab") as output:
                self._process = subprocess.Popen(
                    [*launcher, str(gate), str(os.getpid()), str(nice), *command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    cwd="/",
                    env=dict(environment),
                    pass_fds=[gate],
                    start_new_session=True,
                )
        except BaseException:
            os.close(self._gate)
            raise
        finally:
            os.close(gate)
        self.pid = self._process.pid
        self.started = start_ticks(self.pid) or 0

    def release(self) -> None:
        """Let it begin."""
        with contextlib.suppress(BrokenPipeError):  # it has died already: `poll` will say so
            os.write(self._gate, b"g")
        self._close_gate()

    def poll(self) -> int | None:
        """None while it lives; then its exit status, negative for a signal. What it left in its
        group is killed before its pid can be used again."""
        if self._process.returncode is None:
            ended = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if ended is None:
                return None
            self._signal(signal.SIGKILL)
            self._close_gate()
        return self._process.poll()

    def terminate(self) -> None:
        """Ask it to end; a stopped process hears it too."""
        self._signal(signal.SIGTERM)
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def end(self, timeout: float = 10.0) -> None:
        """Kill it and wait until it is gone."""
        deadline = clock.seconds() + timeout
        while self.poll() is None and clock.seconds() < deadline:
            self.kill()
            time.sleep(0.02)

    def _signal(self, number: signal.Signals) -> None:
        # Not yet reaped, so the group's id is still its own.
        if self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    def _close_gate(self) -> None:
        if self._gate >= 0:
            os.close(self._gate)
            self._gate = -1
