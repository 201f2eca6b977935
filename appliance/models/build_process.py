"""The daemon's side of a build child: starting it, its progress, ending it for certain"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import selectors
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from appliance import clock
from appliance.errors import EngineError, Unavailable
from appliance.models.build_child import ENGINE_FILE, TIMING_FILE
from appliance.models.certificate import Certificate

log = logging.getLogger(__name__)

CHILD = (sys.executable, "-m", "appliance.models.build_child")
LIMIT_S = 900.0
"""A build takes seconds; on the smallest boards, with an empty timing cache, some minutes."""

_LOG_FILE = "build.log"
_LONGEST_LINE = 1 << 20
_LOOK_S = 0.2
_KEPT = ("PATH", "HOME", "LANG", "TZ", "TMPDIR", "VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH")
_KEPT_PREFIXES = ("LC_", "CUDA_", "NVIDIA_", "XDG_CACHE_HOME")
_ADVICE = "deploy again; if it stays so, choose another --precision and report the log's last lines"

Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class BuildResult:
    """`timing_cache` is empty where the runtime has none."""

    engine: bytes
    certificate: Certificate
    timing_cache: bytes


def run_build(
    job: dict[str, Any],
    progress: Progress,
    stop: threading.Event,
    *,
    limit_s: float = LIMIT_S,
    command: tuple[str, ...] = CHILD,
) -> BuildResult:
    """Build in a child and wait for it. `job` as `build_child` reads it, with an empty folder
    `out`; `progress` gets the stage and the share that is done, 0 to 1.

    Raises EngineError with the cause when the child fails, crashes or takes longer than
    `limit_s`, and Unavailable when `stop` was set.
    """
    out = Path(job["out"])
    job = {**job, "parent": os.getpid(), "limit_s": limit_s}
    with (out / _LOG_FILE).open("wb") as errors:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd="/",
            env=_environment(),
            start_new_session=True,
        )
    try:
        answer = _listen(child, json.dumps(job).encode(), progress, stop, limit_s)
        status = child.wait(timeout=10)
    except subprocess.TimeoutExpired:
        raise EngineError("the builder does not end", _ADVICE) from None
    finally:
        _end(child)
    if "error" in answer:
        raise EngineError(str(answer["error"]), str(answer.get("advice", "")))
    if status != 0 or "certificate" not in answer:
        words = _last_words(out / _LOG_FILE)
        log.error("the builder ended with status %d: %s", status, words)
        raise EngineError(f"the builder {_ending(status)}{words and ': ' + words}", _ADVICE)
    timing = out / TIMING_FILE
    return BuildResult(
        (out / ENGINE_FILE).read_bytes(),
        Certificate.from_json(answer["certificate"]),
        timing.read_bytes() if timing.is_file() else b"",
    )


def _listen(
    child: subprocess.Popen[bytes],
    job: bytes,
    progress: Progress,
    stop: threading.Event,
    limit_s: float,
) -> dict[str, Any]:
    """Hand over the job, pass progress on, and return the child's last word."""
    assert child.stdin is not None
    assert child.stdout is not None
    with contextlib.suppress(BrokenPipeError):  # it has died already: its status will say so
        child.stdin.write(job)
        child.stdin.close()
    deadline = clock.seconds() + limit_s
    answer: dict[str, Any] = {}
    pending = b""
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            if stop.is_set():
                raise Unavailable("the build was ended before it was done")
            if clock.seconds() > deadline:
                raise EngineError(f"the build took longer than {limit_s:.0f} s", _ADVICE)
            if not selector.select(_LOOK_S):
                continue
            data = os.read(child.stdout.fileno(), 65536)
            if not data:
                return answer
            *lines, pending = (pending + data).split(b"\n")
            if len(pending) > _LONGEST_LINE:
                raise EngineError("the builder says too much", _ADVICE)
            for line in lines:
                said = _parsed(line)
                if "stage" in said:
                    progress(str(said["stage"]), float(said["fraction"]))
                else:
                    answer = said


def _parsed(line: bytes) -> dict[str, Any]:
    try:
        said = json.loads(line)
    except ValueError:
        said = None
    if not isinstance(said, dict):
        raise EngineError(f"the builder says {line[:80]!r}, which is no report", _ADVICE)
    return said


def _end(child: subprocess.Popen[bytes]) -> None:
    """Kill what is left of it and of what it started."""
    if child.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
        with contextlib.suppress(subprocess.TimeoutExpired):  # it hangs in the kernel
            child.wait(timeout=10)
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


def _environment() -> dict[str, str]:
    """No token, no socket of the service; one thread, since listening needs the cores."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if name in _KEPT or name.startswith(_KEPT_PREFIXES)
    }
    threads = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS")}
    return {**kept, **threads, "PYTHONFAULTHANDLER": "1"}


def _ending(status: int) -> str:
    if status >= 0:
        return f"failed with status {status}"
    if -status == signal.SIGKILL:
        return "was killed, probably because memory ran out"
    if -status == signal.SIGXCPU:
        return "used more processor time than it may"
    try:
        return f"crashed ({signal.Signals(-status).name})"
    except ValueError:
        return f"crashed (signal {-status})"


def _last_words(file: Path) -> str:
    """The last line of the child's log."""
    try:
        text = file.read_bytes()[-4096:].decode(errors="replace")
    except OSError:
        return ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else ""
