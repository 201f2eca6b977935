"""CUDA's runtime functions as cuda-python offers them, on a device made of host memory.

It behaves: what is queued on a stream happens when the stream is synchronised, not before; memory
that was freed or never allocated is refused; a capture records instead of doing; every function
answers with a status, and `fail` makes the next call of one fail with a code of CUDA's.
"""

from __future__ import annotations

import ctypes
from collections import Counter
from collections.abc import Callable
from enum import IntEnum
from types import SimpleNamespace
from typing import Any


class Status(IntEnum):
    cudaSuccess = 0
    cudaErrorInvalidValue = 1
    cudaErrorMemoryAllocation = 2
    cudaErrorInsufficientDriver = 35
    cudaErrorNoDevice = 100
    cudaErrorIllegalAddress = 700
    cudaErrorStreamCaptureUnsupported = 900


OK = Status.cudaSuccess
Work = Callable[[], None]


class Stream:
    """`int(stream)` is its handle, as of cuda-python's streams."""

    def __init__(self, handle: int, priority: int) -> None:
        self.handle, self.priority = handle, priority
        self.queue: list[Work] = []
        self.recording: list[Work] | None = None

    def __int__(self) -> int:
        return self.handle

    def add(self, work: Work) -> None:
        (self.queue if self.recording is None else self.recording).append(work)


class FakeCuda:
    """The module `cuda.bindings.runtime`. `calls` counts its functions."""

    cudaStreamNonBlocking = 1
    cudaDeviceScheduleBlockingSync = 4
    cudaMemcpyKind = SimpleNamespace(cudaMemcpyHostToDevice=1, cudaMemcpyDeviceToHost=2)
    cudaStreamCaptureMode = SimpleNamespace(cudaStreamCaptureModeThreadLocal=1)

    def __init__(self, gpu: str | None = "Orin") -> None:
        self.gpu = gpu
        self.calls: Counter[str] = Counter()
        self.device: dict[int, Any] = {}
        self.pinned: dict[int, Any] = {}
        self.streams: dict[int, Stream] = {}
        self.graphs: list[list[Work]] = []
        self._failures: dict[str, Status] = {}
        self._graph_count = 0

    def fail(self, function: str, status: Status) -> None:
        """Let the next call of `function` answer with `status`."""
        self._failures[function] = status

    def __getattribute__(self, name: str) -> Any:
        value = object.__getattribute__(self, name)
        if not (name.startswith("cuda") and callable(value)):
            return value

        def call(*arguments: Any) -> tuple[Any, ...]:
            self.calls[name] += 1
            if status := self._failures.pop(name, None):
                return (status, *([None] if name not in ("cudaFree", "cudaGraphLaunch") else []))
            answer: tuple[Any, ...] = value(*arguments)
            return answer

        return call

    def cudaGetErrorName(self, status: Status) -> Any:
        return OK, status.name.encode()

    def cudaGetErrorString(self, status: Status) -> Any:
        return OK, f"what {status.name} means".encode()

    def cudaGetDeviceCount(self) -> Any:
        return (OK, 1) if self.gpu else (Status.cudaErrorNoDevice, None)

    def cudaGetDeviceProperties(self, device: int) -> Any:
        name = f"{self.gpu}".encode() + b"\0\0"
        return OK, SimpleNamespace(name=name, major=8, minor=7, totalGlobalMem=8 << 30)

    def cudaSetDeviceFlags(self, flags: int) -> Any:
        return (OK,)

    # --- memory ----------------------------------------------------------------------------------

    def cudaMalloc(self, size: int) -> Any:
        return OK, self._take(self.device, size)

    def cudaHostAlloc(self, size: int, flags: int) -> Any:
        return OK, self._take(self.pinned, size)

    def cudaFree(self, address: int) -> Any:
        return (OK if self.device.pop(address, None) else Status.cudaErrorInvalidValue,)

    def cudaFreeHost(self, address: int) -> Any:
        return (OK if self.pinned.pop(address, None) else Status.cudaErrorInvalidValue,)

    def cudaMemcpyAsync(self, to: int, source: int, size: int, kind: int, stream: Stream) -> Any:
        inward = kind == self.cudaMemcpyKind.cudaMemcpyHostToDevice
        host, device = (source, to) if inward else (to, source)
        # Only copies from and to pinned memory run beside the host.
        if not self._holds(self.pinned, host, size) or not self._holds(self.device, device, size):
            return (Status.cudaErrorIllegalAddress,)
        stream.add(lambda: ctypes.memmove(to, source, size) and None)
        return (OK,)

    def bytes_at(self, address: int, size: int) -> bytes:
        """What a kernel reads there."""
        assert self._holds(self.device, address, size)
        return ctypes.string_at(address, size)

    def write(self, address: int, content: bytes) -> None:
        """What a kernel writes there."""
        assert self._holds(self.device, address, len(content))
        ctypes.memmove(address, content, len(content))

    def _take(self, kind: dict[int, Any], size: int) -> int:
        block = ctypes.create_string_buffer(size)
        kind[ctypes.addressof(block)] = block
        return ctypes.addressof(block)

    def _holds(self, kind: dict[int, Any], address: int, size: int) -> bool:
        return any(a <= address and address + size <= a + len(b) for a, b in kind.items())

    # --- streams and graphs ----------------------------------------------------------------------

    def cudaDeviceGetStreamPriorityRange(self) -> Any:
        return OK, 0, -5

    def cudaStreamCreateWithPriority(self, flags: int, priority: int) -> Any:
        stream = Stream(0x1000 + len(self.streams), priority)
        self.streams[stream.handle] = stream
        return OK, stream

    def cudaStreamSynchronize(self, stream: Stream) -> Any:
        work, stream.queue = stream.queue, []
        for one in work:
            one()
        return (OK,)

    def cudaStreamDestroy(self, stream: Stream) -> Any:
        return (OK if self.streams.pop(stream.handle, None) else Status.cudaErrorInvalidValue,)

    def cudaStreamBeginCapture(self, stream: Stream, mode: int) -> Any:
        stream.recording = []
        return (OK,)

    def cudaStreamEndCapture(self, stream: Stream) -> Any:
        recorded, stream.recording = stream.recording, None
        return OK, recorded

    def cudaGraphInstantiate(self, graph: list[Work], flags: int) -> Any:
        self.graphs.append(list(graph))
        return OK, self.graphs[-1]

    def cudaGraphDestroy(self, graph: list[Work]) -> Any:
        return (OK,)

    def cudaGraphLaunch(self, graph: list[Work], stream: Stream) -> Any:
        stream.queue.extend(graph)
        return (OK,)

    def cudaGraphExecDestroy(self, graph: list[Work]) -> Any:
        self.graphs = [one for one in self.graphs if one is not graph]
        return (OK,)
