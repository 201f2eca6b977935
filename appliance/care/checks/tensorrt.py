"""Check: where there is an NVIDIA GPU, is TensorRT there to compile for it?"""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from pathlib import Path

from appliance.care.check import Check
from appliance.care.checks.gpu import present

NAME = "tensorrt"


def check(root: Path = Path("/"), installed: Callable[[], str | None] | None = None) -> Check:
    """`installed`: the release of TensorRT, None where there is none."""
    if not present(root):
        return Check(
            NAME, "not applicable", "There is no NVIDIA GPU: versions listen in ONNX Runtime."
        )
    release = (installed or _installed)()
    if release is None:
        return Check(
            NAME,
            "warning",
            "There is an NVIDIA GPU, and no TensorRT: ONNX Runtime listens on the processor.",
            "on a Jetson, apt install python3-libnvinfer, then `earmark install` again; "
            "see docs/engines.md",
        )
    return Check(NAME, "ok", f"TensorRT {release} is installed.")


def _installed() -> str | None:
    for name in ("tensorrt", "tensorrt_rtx"):
        if importlib.util.find_spec(name) is not None:
            try:
                return importlib.metadata.version(name)
            except importlib.metadata.PackageNotFoundError:
                return "(of the system)"
    return None
