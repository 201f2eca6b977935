"""Check: where there is an NVIDIA GPU, can CUDA use it?"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from appliance.care.check import Check
from appliance.errors import EngineError
from appliance.models.cuda import Cuda, Gpu
from appliance.units import human_size

NAME = "gpu"
NODES = ("dev/nvidia0", "dev/nvhost-gpu", "dev/nvgpu/igpu0", "dev/nvmap")


def present(root: Path = Path("/")) -> bool:
    return any((root / node).exists() for node in NODES)


def check(root: Path = Path("/"), find: Callable[[], Gpu | None] | None = None) -> Check:
    """`find` asks CUDA by default."""
    if not present(root):
        return Check(
            NAME, "not applicable", "There is no NVIDIA GPU: the processor trains and listens."
        )
    try:
        found = (find or (lambda: Cuda().gpu()))()
    except EngineError as error:
        return Check(NAME, "failing", f"{error.message}.", error.advice)
    if found is None:
        return Check(
            NAME,
            "failing",
            "There is an NVIDIA GPU, and CUDA cannot use it.",
            "is the user in the groups video and render? does `nvidia-smi` see it? see `dmesg`",
        )
    return Check(
        NAME, "ok", f"{found.name} ({found.compute_capability}), {human_size(found.memory)}."
    )
