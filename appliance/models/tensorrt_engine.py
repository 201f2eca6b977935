"""A version in TensorRT: built for this device's GPU, and run there; the only home of tensorrt

One code for TensorRT 10.3 to 11 and for TensorRT for RTX: networks are strongly typed, so that
the precision is the one of the ONNX; TF32 is off, because it ruins the DFT of the front end; no
auxiliary streams, because they would not have the priority of ours.
"""

from __future__ import annotations

import importlib
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from appliance.errors import EngineError
from appliance.models.card import Card
from appliance.models.carded import ADVICE, INPUT, OUTPUT, Carded, closed
from appliance.models.cuda import Cuda, CudaError

log = logging.getLogger(__name__)

USUAL_BATCH, MOST_BATCH = 8, 64
"""Windows at once that an engine is tuned for, and that it can take."""

WORKSPACE = 1 << 30
MOST_GRAPHS = 16

Progress = Callable[[float], None]


def library(name: str) -> Any:
    """`tensorrt` or `tensorrt_rtx`. Raises EngineError when it cannot be imported."""
    try:
        return importlib.import_module(name)
    except (ImportError, OSError) as error:  # OSError: a library of CUDA that is not there
        raise EngineError(
            f"{name} cannot be used: {error}",
            "on a Jetson it is the package python3-libnvinfer; the virtual environment must see "
            "the system's packages (docs/engines.md)",
        ) from error


@dataclass(frozen=True)
class Built:
    """A serialised engine, the timing cache for the next build (empty where there is none), and
    the kinds of its inputs and outputs."""

    plan: bytes
    timing_cache: bytes


def parse(trt: Any, logger: Any, model: Path) -> tuple[Any, Any, Any]:
    """(builder, network, parser); the caller keeps all three, since the network needs them.

    Raises EngineError with every complaint of the parser.
    """
    builder = trt.Builder(logger)
    if builder is None:
        raise EngineError(f"{trt.__name__} has no builder here: {logger.last}", ADVICE)
    typed = 1 << int(trt.NetworkDefinitionCreationFlag.STRONGLY_TYPED)
    network = builder.create_network(typed)
    parser = trt.OnnxParser(network, logger)
    if not parser.parse_from_file(str(model)):
        errors = [parser.get_error(number) for number in range(parser.num_errors)]
        said = [
            " ".join([getattr(error, "node_operator", str)(), error.desc()]).strip()
            for error in errors
        ]
        raise EngineError(
            f"{trt.__name__} {trt.__version__} cannot read the network: "
            f"{'; '.join(said) or logger.last}",
            ADVICE,
        )
    return builder, network, parser


def build(
    trt: Any,
    model: Path,
    window_samples: int,
    *,
    timing_cache: bytes = b"",
    compute_capability: str | None = None,
    progress: Progress | None = None,
) -> Built:
    """Compile the ONNX file `model` (its precision is the engine's).

    compute_capability: of a GPU that is not in this box (`8.6`), where the library can; by
    default the box's own. Raises EngineError with what the library said.
    """
    logger = logger_of(trt)
    builder, network, parser = parse(trt, logger, model)
    config = configure(trt, builder, window_samples, compute_capability)
    if trt.__name__ == "tensorrt":  # that for RTX has none
        use_timing_cache(config, timing_cache)
    if progress is not None:
        config.progress_monitor = _monitor(trt, progress)
    plan = builder.build_serialized_network(network, config)
    del parser
    if plan is None:
        raise EngineError(
            f"{trt.__name__} {trt.__version__} cannot compile the network: {logger.last}", ADVICE
        )
    kept = config.get_timing_cache() if trt.__name__ == "tensorrt" else None
    return Built(bytes(plan), b"" if kept is None else bytes(kept.serialize()))


def use_timing_cache(config: Any, content: bytes) -> None:
    """Build with what earlier builds measured. A cache of another release or GPU, or a damaged
    one, is refused by the library, and an empty one takes its place."""
    for attempt in (content, b""):
        cache = config.create_timing_cache(attempt)
        if cache is not None and config.set_timing_cache(cache, ignore_mismatch=False):
            return


def configure(
    trt: Any, builder: Any, window_samples: int, compute_capability: str | None = None
) -> Any:
    """How every engine is built: without TF32 and auxiliary streams, for 1 to `MOST_BATCH`
    windows. Raises EngineError when the library refuses the shapes."""
    config = builder.create_builder_config()
    config.clear_flag(trt.BuilderFlag.TF32)
    config.max_aux_streams = 0
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, WORKSPACE)
    profile = builder.create_optimization_profile()
    shapes = [(batch, window_samples) for batch in (1, USUAL_BATCH, MOST_BATCH)]
    profile.set_shape(INPUT, *shapes)
    if config.add_optimization_profile(profile) < 0:
        raise EngineError(f"{trt.__name__} refuses the shapes {shapes}", ADVICE)
    if compute_capability is not None:
        config.num_compute_capabilities = 1
        named = getattr(trt.ComputeCapability, "SM" + compute_capability.replace(".", ""))
        config.set_compute_capability(named, 0)
    return config


_NO_REASON = "no reason was given"
_loggers: dict[Any, Any] = {}


def logger_of(trt: Any) -> Any:
    """The library's logger, which writes into ours; `last` is its newest error from now on.

    There is one for each library: the first that a process uses is the only one that is heard.
    """
    if trt not in _loggers:
        _loggers[trt] = _make_logger(trt)
    logger = _loggers[trt]
    logger.last = _NO_REASON
    return logger


def _make_logger(trt: Any) -> Any:

    class Logger(trt.ILogger):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.ILogger.__init__(self)
            self.last = _NO_REASON

        def log(self, severity: Any, message: str) -> None:
            if severity in (trt.ILogger.INTERNAL_ERROR, trt.ILogger.ERROR):
                self.last = message
                log.error("%s: %s", trt.__name__, message)
            elif severity == trt.ILogger.WARNING:
                log.warning("%s: %s", trt.__name__, message)
            else:
                log.debug("%s: %s", trt.__name__, message)

    return Logger()


def _monitor(trt: Any, progress: Progress) -> Any:
    """Tells the share of the outermost phase's steps that are done."""

    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._steps: dict[str, int] = {}
            self._outer = ""

        def phase_start(self, phase: str, parent: str | None, steps: int) -> None:
            self._steps[phase] = max(steps, 1)
            if not parent:
                self._outer = phase

        def step_complete(self, phase: str, step: int) -> bool:
            if phase == self._outer:
                progress(min(1.0, (step + 1) / self._steps[phase]))
            return True  # go on

        def phase_finish(self, phase: str) -> None:
            self._steps.pop(phase, None)

    return Monitor()


class TensorRTEngine(Carded):
    """Buffers are allocated once, for `MOST_BATCH` windows; a larger batch goes in parts.

    A batch size that comes again is recorded as a CUDA graph (copy in, network, copy out), which
    then is one launch. `run` may be called from several threads; they take turns.
    """

    def __init__(self, trt: Any, plan: bytes, card: Card, cuda: Cuda | None = None) -> None:
        """Raises EngineError when the plan is not for this device or not what the card says."""
        super().__init__(card)
        self._trt = trt
        self._cuda = Cuda() if cuda is None else cuda
        self._lock = threading.Lock()
        self._graphs: dict[int, Any] = {}
        self._seen: set[int] = set()
        self._graphs_work = True
        self._device: list[int] = []
        self._pinned: list[int] = []
        self._stream: Any = None
        self._context: Any = None
        self._bytes = len(plan)
        with suppress(CudaError):  # somebody has set them already
            self._cuda.wait_without_spinning()
        logger = logger_of(trt)
        self._runtime = trt.Runtime(logger)
        self._engine = self._runtime.deserialize_cuda_engine(plan)
        if self._engine is None:
            raise EngineError(f"{trt.__name__} refuses the engine: {logger.last}", ADVICE)
        try:
            self._prepare(logger)
        except BaseException:
            self.close()
            raise

    def _prepare(self, logger: Any) -> None:
        trt, engine, cuda = self._trt, self._engine, self._cuda
        _check_tensors(trt, engine, self._card)
        self._most = int(engine.get_tensor_profile_shape(INPUT, 0)[2][0])
        self._context = engine.create_execution_context()
        if self._context is None:
            raise EngineError(f"{trt.__name__} has no room to run: {logger.last}", ADVICE)
        self._stream = cuda.urgent_stream()
        samples, classes = self._card.window_samples, len(self._card.classes)
        self._host_in, self._windows = self._pin((self._most, samples))
        self._host_out, self._answers = self._pin((self._most, classes))
        addresses = {}
        for name in _tensors(engine):
            width = int(engine.get_tensor_shape(name)[1])
            addresses[name] = self._allocate(self._most * width * 4)
            if not self._context.set_tensor_address(name, addresses[name]):
                raise EngineError(f"{trt.__name__} refuses a buffer for {name}", ADVICE)
        self._device_in, self._device_out = addresses[INPUT], addresses[OUTPUT]
        self._bytes += int(engine.device_memory_size_v2)

    def _pin(self, shape: tuple[int, int]) -> tuple[int, NDArray[np.float32]]:
        address, array = self._cuda.pinned(shape)
        self._pinned.append(address)
        return address, array

    def _allocate(self, size: int) -> int:
        address = self._cuda.allocate(size)
        self._device.append(address)
        self._bytes += size
        return address

    @property
    def name(self) -> str:
        return f"{self._trt.__name__} {self._trt.__version__}"

    @property
    def device_bytes(self) -> int:
        """Of the GPU's memory: weights, working memory and buffers; CUDA itself not counted."""
        return self._bytes

    def run(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 [batch, window_samples] -> probabilities float32 [batch, classes]."""
        self._check(windows)
        answer = np.empty((len(windows), len(self.classes)), dtype=np.float32)
        with self._lock:
            if self._context is None:
                raise closed()
            for first in range(0, len(windows), self._most):
                part = windows[first : first + self._most]
                self._windows[: len(part)] = part
                self._work(len(part))
                answer[first : first + len(part)] = self._answers[: len(part)]
        return answer

    def close(self) -> None:
        """Free everything on the device. A `run` on its way ends well first."""
        with self._lock:
            # In this order: graphs and contexts use buffers and streams.
            for graph in self._graphs.values():
                self._freed(self._cuda.destroy_graph, graph)
            self._graphs.clear()
            self._context = self._engine = self._runtime = None
            if self._stream is not None:
                self._freed(self._cuda.destroy_stream, self._stream)
                self._stream = None
            # The arrays look into memory that is about to go.
            self._windows = self._answers = np.empty((0, 0), dtype=np.float32)
            while self._pinned:
                self._freed(self._cuda.free_pinned, self._pinned.pop())
            while self._device:
                self._freed(self._cuda.free, self._device.pop())

    def __del__(self) -> None:
        # The engine that was replaced goes with its last user.
        with suppress(Exception):
            self.close()

    def _freed(self, free: Callable[[Any], None], handle: Any) -> None:
        try:
            free(handle)
        except CudaError as error:  # the rest shall be freed all the same
            log.warning("%s", error)

    def _work(self, batch: int) -> None:
        """From pinned memory to pinned memory, for the first `batch` windows."""
        cuda, stream = self._cuda, self._stream
        if graph := self._graphs.get(batch):
            cuda.launch(graph, stream)
            cuda.synchronize(stream)
            return
        if not self._context.set_input_shape(INPUT, (batch, self.window_samples)):
            raise EngineError(f"the engine refuses a batch of {batch}", ADVICE)
        self._queue(batch)
        cuda.synchronize(stream)
        # The first run of a shape settles what the library does lazily; then it can be recorded.
        if self._graphs_work and batch in self._seen:
            self._record(batch)
        self._seen.add(batch)

    def _queue(self, batch: int) -> None:
        cuda, stream = self._cuda, self._stream
        cuda.copy_in(self._device_in, self._host_in, batch * self.window_samples * 4, stream)
        if not self._context.execute_async_v3(int(stream)):
            raise EngineError(f"{self.name} failed to run the network", ADVICE)
        cuda.copy_out(self._host_out, self._device_out, batch * len(self.classes) * 4, stream)

    def _record(self, batch: int) -> None:
        cuda, stream = self._cuda, self._stream
        if len(self._graphs) >= MOST_GRAPHS:
            cuda.destroy_graph(self._graphs.pop(next(iter(self._graphs))))
        try:
            cuda.begin_capture(stream)
            try:
                self._queue(batch)
            finally:
                graph = cuda.end_capture(stream)
        except EngineError as error:
            # Some networks cannot be recorded; they run as well without, a little slower.
            log.info("no CUDA graphs with this engine: %s", error)
            self._graphs_work = False
            return
        self._graphs[batch] = graph


def _tensors(engine: Any) -> list[str]:
    return [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]


def _check_tensors(trt: Any, engine: Any, card: Card) -> None:
    modes = {name: engine.get_tensor_mode(name) for name in _tensors(engine)}
    inputs = [name for name, mode in modes.items() if mode == trt.TensorIOMode.INPUT]
    if inputs != [INPUT] or OUTPUT not in modes:
        raise EngineError(f"the engine has inputs {inputs} and {sorted(modes)}", ADVICE)
    for name in modes:
        shape, kind = tuple(engine.get_tensor_shape(name)), engine.get_tensor_dtype(name)
        width = {INPUT: card.window_samples, OUTPUT: len(card.classes)}.get(name, shape[-1])
        if kind != trt.DataType.FLOAT or len(shape) != 2 or shape[1] != width or width < 1:
            raise EngineError(f"the engine's {name} is {kind} {shape}, not [n, {width}]", ADVICE)
