"""CUDA for the engine: the device's facts, memory, streams and graphs, through cuda-python

Every call of that library answers with a status first; here a status is an error that is raised.
Only the first GPU of the box is used. cuda-python follows the device's CUDA: 12.x on JetPack 6,
13.x on JetPack 7; the functions used here are the same in both.
"""

from __future__ import annotations

import ctypes
import importlib
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import EngineError

_MODULES = ("cuda.bindings.runtime", "cuda.cudart")  # the second before cuda-python 12.6
_MISSING = "install the `cuda-python` of this device's CUDA (12.x on JetPack 6, 13.x on JetPack 7)"
_ADVICE = "restart the daemon; if it stays so, deploy with --precision fp32 and see `dmesg`"
_OUT_OF_MEMORY = "cudaErrorMemoryAllocation"


class CudaError(EngineError):
    """A call of CUDA that failed; `code` is its name, such as `cudaErrorMemoryAllocation`."""

    def __init__(self, call: str, code: str, text: str) -> None:
        advice = "end what else uses the GPU's memory" if code == _OUT_OF_MEMORY else _ADVICE
        super().__init__(f"{call} failed: {text} ({code})", advice)
        self.code = code


@dataclass(frozen=True)
class Gpu:
    """`compute_capability` as in `8.7`; `memory` in bytes, shared with the CPU on a Jetson."""

    name: str
    compute_capability: str
    memory: int


def load_api() -> Any:
    """The module of CUDA's runtime functions. Raises EngineError when cuda-python is not there."""
    for name in _MODULES:
        try:
            return importlib.import_module(name)
        except ImportError:
            continue
    raise EngineError("cuda-python is not installed", _MISSING)


class Cuda:
    """CUDA's runtime on the first GPU. Handles of memory are plain addresses."""

    def __init__(self, api: Any = None) -> None:
        """api: the runtime's functions; cuda-python's by default. Raises EngineError."""
        self.api = load_api() if api is None else api

    def call(self, name: str, *arguments: Any) -> Any:
        """One function of the runtime: its answer without the status. Raises CudaError."""
        status, *answer = getattr(self.api, name)(*arguments)
        if int(status) != 0:
            raise CudaError(name, *self._explained(status))
        if not answer:
            return None
        return answer[0] if len(answer) == 1 else tuple(answer)

    def gpu(self) -> Gpu | None:
        """What the first GPU is; None where there is none that the driver can use."""
        try:
            if self.call("cudaGetDeviceCount") == 0:
                return None
            facts = self.call("cudaGetDeviceProperties", 0)
        except CudaError as error:
            if error.code in ("cudaErrorNoDevice", "cudaErrorInsufficientDriver"):
                return None
            raise
        name = facts.name.decode() if isinstance(facts.name, bytes) else str(facts.name)
        return Gpu(name.strip("\0 "), f"{facts.major}.{facts.minor}", int(facts.totalGlobalMem))

    def wait_without_spinning(self) -> None:
        """Whoever waits for the GPU sleeps; by default CUDA burns a core meanwhile."""
        self.call("cudaSetDeviceFlags", self.api.cudaDeviceScheduleBlockingSync)

    # --- memory ----------------------------------------------------------------------------------

    def allocate(self, size: int) -> int:
        """`size` bytes on the device."""
        return int(self.call("cudaMalloc", size))

    def free(self, address: int) -> None:
        self.call("cudaFree", address)

    def pinned(self, shape: tuple[int, ...]) -> tuple[int, NDArray[np.float32]]:
        """Page-locked host memory that the device copies from and to by itself: its address, and
        the same memory as a float32 array of `shape`."""
        size = int(np.prod(shape)) * 4
        address = int(self.call("cudaHostAlloc", size, 0))
        memory = (ctypes.c_float * (size // 4)).from_address(address)
        return address, np.ctypeslib.as_array(memory).reshape(shape)

    def free_pinned(self, address: int) -> None:
        self.call("cudaFreeHost", address)

    def copy_in(self, device: int, host: int, size: int, stream: Any) -> None:
        """Queue a copy of `size` bytes from the host."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyHostToDevice
        self.call("cudaMemcpyAsync", device, host, size, kind, stream)

    def copy_out(self, host: int, device: int, size: int, stream: Any) -> None:
        """Queue a copy of `size` bytes to the host."""
        kind = self.api.cudaMemcpyKind.cudaMemcpyDeviceToHost
        self.call("cudaMemcpyAsync", host, device, size, kind, stream)

    # --- streams and graphs ----------------------------------------------------------------------

    def urgent_stream(self) -> Any:
        """A stream of the highest priority: what listens goes before what trains."""
        _, greatest = self.call("cudaDeviceGetStreamPriorityRange")
        flags = self.api.cudaStreamNonBlocking
        return self.call("cudaStreamCreateWithPriority", flags, greatest)

    def synchronize(self, stream: Any) -> None:
        """Wait until everything queued on `stream` is done; raises what went wrong there."""
        self.call("cudaStreamSynchronize", stream)

    def destroy_stream(self, stream: Any) -> None:
        self.call("cudaStreamDestroy", stream)

    def begin_capture(self, stream: Any) -> None:
        """What this thread queues on `stream` from now on is recorded instead of done."""
        mode = self.api.cudaStreamCaptureMode.cudaStreamCaptureModeThreadLocal
        self.call("cudaStreamBeginCapture", stream, mode)

    def end_capture(self, stream: Any) -> Any:
        """What was recorded, ready to `launch`."""
        graph = self.call("cudaStreamEndCapture", stream)
        try:
            return self.call("cudaGraphInstantiate", graph, 0)
        finally:
            self.call("cudaGraphDestroy", graph)

    def launch(self, graph: Any, stream: Any) -> None:
        self.call("cudaGraphLaunch", graph, stream)

    def destroy_graph(self, graph: Any) -> None:
        self.call("cudaGraphExecDestroy", graph)

    def _explained(self, status: Any) -> tuple[str, str]:
        """The name of a status, and its meaning in words."""
        texts = []
        for name in ("cudaGetErrorName", "cudaGetErrorString"):
            _, text = getattr(self.api, name)(status)
            texts.append(text.decode() if isinstance(text, bytes) else str(text))
        return texts[0], texts[1]
