"""Where the network is trained, and in which precision."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import torch

CPU_INFO = Path("/proc/cpuinfo")
# Multiplication of bf16 in hardware: x86 with AVX-512 or AMX, and ARMv8.6. Elsewhere bf16 is
# emulated and slower than fp32.
BF16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


@dataclass(frozen=True)
class Device:
    """`precision` is what convolutions run in under autocast; None leaves fp32."""

    torch_device: torch.device
    precision: torch.dtype | None
    name: str

    def autocast(self) -> torch.autocast:
        return torch.autocast(
            self.torch_device.type,
            dtype=self.precision or torch.bfloat16,
            enabled=self.precision is not None,
        )


def choose_device(threads: int, on_cpu: bool = False) -> Device:
    """The GPU when there is one, otherwise (or when asked) the CPU with `threads` threads.

    TF32 is off: it ruins a DFT, and the convolutions run in bf16 anyway. Algorithms are the
    deterministic ones.
    """
    torch.set_num_threads(threads)
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if torch.cuda.is_available() and not on_cpu:
        torch.backends.cuda.matmul.allow_tf32 = False
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cudnn.benchmark = False
        half = torch.bfloat16 if torch.cuda.is_bf16_supported() else None
        return Device(torch.device("cuda"), half, torch.cuda.get_device_name())
    half = torch.bfloat16 if cpu_multiplies_bf16() else None
    return Device(torch.device("cpu"), half, f"cpu, {threads} threads")


@lru_cache(maxsize=1)
def cpu_multiplies_bf16(cpu_info: Path = CPU_INFO) -> bool:
    """Whether this processor has bf16 arithmetic, by its flags."""
    try:
        words = set(cpu_info.read_text().split())
    except OSError:
        return False
    return bool(words & BF16_FLAGS)
