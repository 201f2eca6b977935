"""What an engine is made for: the runtime, its release, the GPU and the system of this device

An engine belongs to all of them. Their names go into its fingerprint, so that an upgrade of any
one is seen, and named, before a stale engine could run.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import json
import logging
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from appliance.errors import EngineError
from appliance.models.cuda import Cuda, Gpu
from appliance.models.tensorrt_engine import MOST_BATCH, USUAL_BATCH, library

log = logging.getLogger(__name__)

ONNX_RUNTIME, TENSORRT, TENSORRT_RTX = "onnxruntime", "tensorrt", "tensorrt_rtx"
_RELEASE = re.compile(r"R(\d+) \(release\), REVISION: ([\d.]+)")
_WORDS = {
    "runtime": "runtime",
    "library_version": "its release",
    "gpu": "GPU",
    "compute_capability": "compute capability",
    "l4t": "L4T",
    "precision": "precision",
    "onnx_sha256": "network",
    "window_samples": "window",
    "batches": "batch sizes",
}


@dataclass(frozen=True)
class Target:
    """`gpu`, `compute_capability` and `l4t` (36.4.0 on JetPack 6.1) are empty where there are
    none."""

    runtime: str
    library_version: str
    gpu: str = ""
    compute_capability: str = ""
    l4t: str = ""

    @property
    def on_cpu(self) -> bool:
        return self.runtime == ONNX_RUNTIME


@dataclass(frozen=True)
class EngineKey:
    """Everything that an engine depends on."""

    runtime: str
    library_version: str
    gpu: str
    compute_capability: str
    l4t: str
    precision: str
    onnx_sha256: str
    window_samples: int
    batches: str

    @property
    def fingerprint(self) -> str:
        """64 hexadecimal digits: the engine's name in the cache."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()

    def changes(self, earlier: dict[str, object]) -> list[str]:
        """What is not as in an `earlier` key's fields, in words."""
        now = asdict(self)
        return [
            f"{words} {earlier.get(name) or 'none'} -> {now[name] or 'none'}"
            for name, words in _WORDS.items()
            if earlier.get(name) != now[name]
        ]


def engine_key(target: Target, precision: str, onnx_sha256: str, window_samples: int) -> EngineKey:
    """The key of a version's engine on `target`."""
    batches = "any" if target.on_cpu else f"1,{USUAL_BATCH},{MOST_BATCH}"
    return EngineKey(
        **asdict(target),
        precision=precision,
        onnx_sha256=onnx_sha256,
        window_samples=window_samples,
        batches=batches,
    )


def cpu_target() -> Target:
    """ONNX Runtime on the CPU: what every device can do."""
    return Target(ONNX_RUNTIME, importlib.metadata.version("onnxruntime"))


def this_device(
    root: Path = Path("/"),
    find_gpu: Callable[[], Gpu | None] | None = None,
    installed: Callable[[str], bool] | None = None,
) -> Target:
    """TensorRT where it is installed beside an NVIDIA GPU, else TensorRT for RTX beside one (not
    on a Jetson), else ONNX Runtime.

    root: of the system's files. `find_gpu` and `installed` ask CUDA and Python by default.
    """
    l4t = l4t_release(root)
    installed = installed or _installed
    names = [name for name in (TENSORRT, TENSORRT_RTX) if installed(name)]
    if l4t:
        names = [name for name in names if name == TENSORRT]
    if not names or (gpu := (find_gpu or _find_gpu)()) is None:
        return replace(cpu_target(), l4t=l4t)
    for name in names:
        try:
            version = str(library(name).__version__)
        except EngineError as error:
            log.warning("%s; %s", error, error.advice)
            continue
        return Target(name, version, gpu.name, gpu.compute_capability, l4t)
    return replace(cpu_target(), l4t=l4t)


def l4t_release(root: Path = Path("/")) -> str:
    """`36.4.0` from a Jetson's /etc/nv_tegra_release; empty elsewhere."""
    try:
        found = _RELEASE.search((root / "etc/nv_tegra_release").read_text(errors="replace"))
    except OSError:
        return ""
    return f"{found[1]}.{found[2]}" if found else ""


def _installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _find_gpu() -> Gpu | None:
    try:
        return Cuda().gpu()
    except EngineError as error:
        log.warning("the GPU cannot be used: %s; %s", error, error.advice)
        return None
