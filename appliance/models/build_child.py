"""`python -m appliance.models.build_child`: compiles and certifies one engine

Reads a job as JSON from standard input, tells its progress as JSON lines on standard output, and
leaves the engine in the job's folder. A compiler that crashes, hangs or eats memory takes this
process along and nothing else. What it made is signed by the daemon, never here.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

from appliance.errors import EarmarkError
from appliance.models.card import Card, read_card
from appliance.models.certificate import Reference, certify, read_reference
from appliance.models.engine import Engine, load_engine
from appliance.models.onnx_engine import read_network
from appliance.models.target import Target

ENGINE_FILE, TIMING_FILE = "engine", "timing.cache"
ORPHANED = 97
"""Exit status of a child whose daemon was gone before it began."""

_PR_SET_PDEATHSIG = 1
_OOM_SCORE = "500"
_NICE = 10
_MEMORY_ON_CPU = 4 << 30
_LARGEST_FILE = 512 << 20
_FILES = 256


class Report:
    """Progress lines for the daemon, on the original standard output."""

    def __init__(self, descriptor: int) -> None:
        self._out = os.fdopen(descriptor, "w", encoding="utf-8")
        self._told = -1.0

    def stage(self, stage: str, fraction: float) -> None:
        if fraction >= self._told + 0.01:
            self._told = fraction
            self.say({"stage": stage, "fraction": round(fraction, 3)})

    def say(self, line: dict[str, Any]) -> None:
        self._out.write(json.dumps(line) + "\n")
        self._out.flush()


def make(job: dict[str, Any], report: Report) -> dict[str, Any]:
    """Convert, compile, certify; the certificate. Raises EarmarkError."""
    began = time.monotonic()
    target, precision = Target(**job["target"]), str(job["precision"])
    version, out = Path(job["version"]), Path(job["out"])
    card = read_card(version / "card.json")
    network = read_network(version / "model.onnx", job["onnx_sha256"])
    reference = read_reference(version / "reference.npz")
    report.stage("converting", 0.05)
    network = converted(network, precision, reference, on_cpu=target.on_cpu)
    report.stage("compiling", 0.1)
    content = network if target.on_cpu else compiled(job, target, network, card, report)
    report.stage("certifying", 0.7)
    _give_back_memory()
    before = _resident_bytes()
    engine = load_engine(target.runtime, content, card)
    certificate = certify(engine, reference, precision, batch=int(job["batch"]))
    memory = max(0, _resident_bytes() - before) + _device_bytes(engine)
    (out / ENGINE_FILE).write_bytes(content)
    return {
        **certificate.as_json(),
        "memory_bytes": memory,
        "engine_bytes": len(content),
        "build_s": round(time.monotonic() - began, 3),
    }


def converted(network: bytes, precision: str, reference: Reference, *, on_cpu: bool) -> bytes:
    """The network in `precision`."""
    if precision == "fp32":
        return network
    import onnx

    from appliance.models.convert import convert

    model = convert(
        onnx.load_model_from_string(network), precision, reference.calibration, on_cpu=on_cpu
    )
    content: bytes = model.SerializeToString()
    return content


def compiled(
    job: dict[str, Any], target: Target, network: bytes, card: Card, report: Report
) -> bytes:
    """The network as an engine of TensorRT; the timing cache for the next build beside it."""
    from appliance.models import tensorrt_engine

    out, timing = Path(job["out"]), Path(job["timing_cache"])
    file = out / "network.onnx"
    file.write_bytes(network)
    built = tensorrt_engine.build(
        tensorrt_engine.library(target.runtime),
        file,
        card.window_samples,
        timing_cache=timing.read_bytes() if timing.is_file() else b"",
        progress=lambda share: report.stage("compiling", 0.1 + 0.6 * share),
    )
    (out / TIMING_FILE).write_bytes(built.timing_cache)
    return built.plan


def humble(job: dict[str, Any]) -> None:
    """End with the daemon, give way to it, and keep within limits."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    # The daemon may have died before the line above: then no signal will ever come.
    if os.getppid() != job["parent"]:
        os._exit(ORPHANED)
    with contextlib.suppress(OSError):  # already humbler than asked, or not permitted
        os.setpriority(os.PRIO_PROCESS, 0, _NICE)
    for name, value in (("autogroup", str(_NICE)), ("oom_score_adj", _OOM_SCORE)):
        with contextlib.suppress(OSError):
            Path("/proc/self", name).write_text(value)
    limits = {
        resource.RLIMIT_CPU: int(job["limit_s"]),
        resource.RLIMIT_FSIZE: _LARGEST_FILE,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_NOFILE: _FILES,
    }
    # CUDA reserves far more addresses than it uses memory, so only a build without it is limited.
    if job["target"]["runtime"] == "onnxruntime":
        limits[resource.RLIMIT_AS] = _MEMORY_ON_CPU
    for which, most in limits.items():
        with contextlib.suppress(ValueError):  # already tighter than that
            resource.setrlimit(which, (most, most))


def _device_bytes(engine: Engine) -> int:
    return int(getattr(engine, "device_bytes", 0))


def _give_back_memory() -> None:
    """What converting has freed would hide what the engine takes."""
    gc.collect()
    with contextlib.suppress(AttributeError):  # not in every libc
        ctypes.CDLL(None).malloc_trim(0)


def _resident_bytes() -> int:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


def main() -> int:
    report = Report(os.dup(1))
    os.dup2(2, 1)  # libraries that print must not spoil the report
    job = json.load(sys.stdin)
    humble(job)
    try:
        report.say({"certificate": make(job, report)})
    except EarmarkError as error:
        report.say({"error": str(error), "advice": error.advice})
        return 1
    except MemoryError:
        report.say({"error": "compiling needs more memory than there is", "advice": ""})
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
