"""TensorRT's runtime on the fake device: a plan is the ONNX, kernels are ONNX Runtime."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np
import onnxruntime

from tests.models.fake_cuda import FakeCuda


class TensorIOMode(Enum):
    INPUT, OUTPUT = 1, 2


class DataType(Enum):
    FLOAT, HALF = 0, 1


class ILogger:
    INTERNAL_ERROR, ERROR, WARNING, INFO, VERBOSE = range(5)

    def __init__(self) -> None:
        """As the real one: must be called."""


class FakeTensorRT:
    """The module `tensorrt`."""

    __name__ = "tensorrt"
    ILogger, TensorIOMode, DataType = ILogger, TensorIOMode, DataType

    def __init__(self, cuda: FakeCuda, version: str = "10.3.0", most: int = 64) -> None:
        self.__version__ = version
        self.cuda, self.most = cuda, most
        self.capture_works = True

    def Runtime(self, logger: Any) -> Runtime:
        return Runtime(self, logger)


class Runtime:
    def __init__(self, trt: FakeTensorRT, logger: Any) -> None:
        self._trt, self._logger = trt, logger

    def deserialize_cuda_engine(self, plan: bytes) -> Engine | None:
        if not plan.startswith(b"\x08"):
            self._logger.log(ILogger.ERROR, "the serialized plan is for another device")
            return None
        return Engine(self._trt, plan)


class Engine:
    device_memory_size_v2 = 1_000_000

    def __init__(self, trt: FakeTensorRT, plan: bytes) -> None:
        self.trt = trt
        self.session = onnxruntime.InferenceSession(plan, providers=["CPUExecutionProvider"])
        self.inputs = {item.name: item for item in self.session.get_inputs()}
        self.outputs = {item.name: item for item in self.session.get_outputs()}
        self.names = [*self.inputs, *self.outputs]
        self.num_io_tensors = len(self.names)

    def get_tensor_name(self, number: int) -> str:
        return self.names[number]

    def get_tensor_mode(self, name: str) -> TensorIOMode:
        return TensorIOMode.INPUT if name in self.inputs else TensorIOMode.OUTPUT

    def get_tensor_dtype(self, name: str) -> DataType:
        item = {**self.inputs, **self.outputs}[name]
        return DataType.FLOAT if item.type == "tensor(float)" else DataType.HALF

    def get_tensor_shape(self, name: str) -> tuple[int, ...]:
        shape = {**self.inputs, **self.outputs}[name].shape
        return tuple(size if isinstance(size, int) else -1 for size in shape)

    def get_tensor_profile_shape(self, name: str, profile: int) -> list[tuple[int, int]]:
        width = self.get_tensor_shape(name)[1]
        return [(1, width), (min(8, self.trt.most), width), (self.trt.most, width)]

    def create_execution_context(self) -> Context:
        return Context(self)


class Context:
    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.addresses: dict[str, int] = {}
        self.batch = 0

    def set_tensor_address(self, name: str, address: int) -> bool:
        self.addresses[name] = address
        return True

    def set_input_shape(self, name: str, shape: tuple[int, int]) -> bool:
        self.batch = shape[0]
        return 1 <= shape[0] <= self.engine.trt.most

    def execute_async_v3(self, handle: int) -> bool:
        trt, batch = self.engine.trt, self.batch
        stream = trt.cuda.streams[handle]
        if stream.recording is not None and not trt.capture_works:
            return False
        if set(self.addresses) != set(self.engine.names):
            return False
        addresses = dict(self.addresses)

        def kernels() -> None:
            width = self.engine.get_tensor_shape("waveform")[1]
            raw = trt.cuda.bytes_at(addresses["waveform"], batch * width * 4)
            windows = np.frombuffer(raw, np.float32).reshape(batch, width)
            names = list(self.engine.outputs)
            for name, answer in zip(
                names, self.engine.session.run(names, {"waveform": windows}), strict=True
            ):
                trt.cuda.write(addresses[name], answer.astype(np.float32).tobytes())

        stream.add(kernels)
        return True
