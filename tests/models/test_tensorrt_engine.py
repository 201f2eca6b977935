"""The TensorRT engine's own class: against a device that behaves, and a GPU where there is one."""

from __future__ import annotations

import importlib.util
import threading
from pathlib import Path

import numpy as np
import pytest

from appliance.errors import EngineError
from appliance.models.card import Card, read_card
from appliance.models.certificate import certify
from appliance.models.cuda import Cuda, CudaError, load_api
from appliance.models.tensorrt_engine import MOST_GRAPHS, TensorRTEngine, build, library
from tests.models import toy
from tests.models.fake_cuda import FakeCuda, Status
from tests.models.fake_tensorrt import FakeTensorRT

needs_cuda_python = pytest.mark.skipif(
    importlib.util.find_spec("cuda") is None, reason="cuda-python is not installed"
)


@pytest.fixture
def device() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def card(whole_result: Path) -> Card:
    return read_card(whole_result / "card.json")


def engine_on(device: FakeCuda, card: Card, most: int = 64) -> tuple[TensorRTEngine, FakeTensorRT]:
    trt = FakeTensorRT(device, most=most)
    return TensorRTEngine(trt, toy.model().SerializeToString(), card, Cuda(device)), trt


def expected(windows: np.ndarray) -> np.ndarray:
    return toy.answers(toy.model(), windows)


@pytest.mark.parametrize("batch", [0, 1, 7, 64, 65, 150])
def test_it_says_what_the_network_says(device: FakeCuda, card: Card, batch: int) -> None:
    engine, _ = engine_on(device, card)
    windows = np.resize(toy.reference_windows(), (batch, toy.WINDOW))
    for _ in range(3):  # at first, when it is recorded, and as a graph
        answer = engine.run(windows)
        assert answer.shape == (batch, 3)
        if batch:
            assert np.allclose(answer, expected(windows), atol=1e-6)


def test_nothing_is_allocated_after_the_start(device: FakeCuda, card: Card) -> None:
    engine, _ = engine_on(device, card)
    before = device.calls["cudaMalloc"] + device.calls["cudaHostAlloc"]
    for batch in (1, 5, 64):
        engine.run(np.resize(toy.reference_windows(), (batch, toy.WINDOW)))
    assert device.calls["cudaMalloc"] + device.calls["cudaHostAlloc"] == before
    assert [stream.priority for stream in device.streams.values()] == [-5], "the most urgent one"
    assert engine.device_bytes > toy.WINDOW * 64 * 4


def test_a_batch_size_that_comes_again_is_one_launch(device: FakeCuda, card: Card) -> None:
    engine, _ = engine_on(device, card)
    first, second = toy.reference_windows(12)[:6], toy.reference_windows(12)[6:]
    for _ in range(2):
        engine.run(first)
    copies = device.calls["cudaMemcpyAsync"]
    assert np.allclose(engine.run(second), expected(second), atol=1e-6), "new sound, old graph"
    assert device.calls["cudaMemcpyAsync"] == copies
    assert device.calls["cudaGraphLaunch"] == 1
    for batch in range(1, MOST_GRAPHS + 6):
        for _ in range(3):
            windows = np.resize(first, (batch, toy.WINDOW))
            assert np.allclose(engine.run(windows), expected(windows), atol=1e-6)
    assert len(device.graphs) == MOST_GRAPHS


def test_a_network_that_cannot_be_recorded_runs_without(device: FakeCuda, card: Card) -> None:
    engine, trt = engine_on(device, card)
    trt.capture_works = False
    windows = toy.reference_windows(3)
    for _ in range(4):
        assert np.allclose(engine.run(windows), expected(windows), atol=1e-6)
    assert device.calls["cudaGraphLaunch"] == 0
    assert device.calls["cudaStreamBeginCapture"] == 1, "it is not tried again"


def test_errors_have_the_names_of_cuda(device: FakeCuda, card: Card) -> None:
    engine, _ = engine_on(device, card)
    device.fail("cudaStreamSynchronize", Status.cudaErrorIllegalAddress)
    with pytest.raises(CudaError, match="cudaErrorIllegalAddress") as failure:
        engine.run(toy.reference_windows(1))
    assert failure.value.code == "cudaErrorIllegalAddress"
    device.fail("cudaMalloc", Status.cudaErrorMemoryAllocation)
    with pytest.raises(CudaError, match="cudaMalloc failed") as failure:
        engine_on(device, card)
    assert "memory" in failure.value.advice


def test_a_start_that_fails_gives_everything_back(device: FakeCuda, card: Card) -> None:
    device.fail("cudaMalloc", Status.cudaErrorMemoryAllocation)
    with pytest.raises(CudaError):
        engine_on(device, card)
    assert not device.device
    assert not device.pinned
    assert not device.streams


def test_closed_it_has_freed_everything_and_says_so(device: FakeCuda, card: Card) -> None:
    engine, _ = engine_on(device, card)
    for _ in range(3):
        engine.run(toy.reference_windows(2))
    # One thing that cannot be freed must not keep the rest.
    device.fail("cudaFreeHost", Status.cudaErrorInvalidValue)
    engine.close()
    engine.close()
    assert (len(device.device), len(device.pinned)) == (0, 1)
    assert not device.streams
    assert not device.graphs
    with pytest.raises(EngineError, match="closed"):
        engine.run(toy.reference_windows(1))


def test_the_replaced_one_goes_with_its_last_user(device: FakeCuda, card: Card) -> None:
    engine, _ = engine_on(device, card)
    engine.run(toy.reference_windows(1))
    del engine
    assert not device.device
    assert not device.pinned


def test_several_threads_take_turns(device: FakeCuda, card: Card) -> None:
    engine, _ = engine_on(device, card)
    windows = toy.reference_windows(24)
    wrong: list[int] = []

    def work(batch: int) -> None:
        part = windows[batch : 2 * batch]
        for _ in range(20):
            if not np.allclose(engine.run(part), expected(part), atol=1e-6):
                wrong.append(batch)

    threads = [threading.Thread(target=work, args=[batch]) for batch in (1, 2, 5, 9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_what_does_not_fit_is_refused(device: FakeCuda, card: Card) -> None:
    trt, cuda = FakeTensorRT(device), Cuda(device)
    with pytest.raises(EngineError, match="another device"):
        TensorRTEngine(trt, b"nonsense", card, cuda)
    with pytest.raises(EngineError, match="probabilities"):
        TensorRTEngine(trt, toy.model(classes=4).SerializeToString(), card, cuda)
    with pytest.raises(EngineError, match="waveform"):
        TensorRTEngine(trt, toy.model(window=5_000).SerializeToString(), card, cuda)
    engine, _ = engine_on(device, card)
    with pytest.raises(EngineError, match="shape"):
        engine.run(np.zeros((1, 3), np.float32))


def test_its_certificate(device: FakeCuda, card: Card, whole_result: Path) -> None:
    engine, _ = engine_on(device, card)
    certificate = certify(engine, whole_result / "reference.npz", "fp32", batch=4)
    assert certificate.passed
    assert certificate.engine == "tensorrt 10.3.0"
    assert (certificate.batch, certificate.agreement) == (4, 1.0)


def test_a_box_without_a_gpu(device: FakeCuda) -> None:
    gpu = Cuda(device).gpu()
    assert gpu is not None
    assert (gpu.name, gpu.compute_capability) == ("Orin", "8.7")
    assert Cuda(FakeCuda(gpu=None)).gpu() is None


@needs_cuda_python
def test_the_fake_has_the_functions_of_the_real_library(device: FakeCuda) -> None:
    """Whatever the engine calls exists in cuda-python, with statuses of the same values."""
    real = load_api()
    for name in (name for name in dir(FakeCuda) if name.startswith("cuda")):
        assert hasattr(real, name), name
    for status in Status:
        assert int(getattr(real.cudaError_t, status.name)) == int(status)


@needs_cuda_python
def test_the_real_library_without_a_gpu() -> None:
    cuda = Cuda()
    if cuda.gpu() is not None:
        pytest.skip("there is a GPU")
    with pytest.raises(CudaError, match=r"cudaMalloc failed: .*driver|NoDevice") as failure:
        cuda.allocate(1024)
    assert failure.value.code.startswith("cudaError")


@pytest.mark.gpu
def test_on_a_real_gpu(whole_result: Path, card: Card) -> None:
    for name in ("tensorrt", "tensorrt_rtx"):
        if importlib.util.find_spec(name) is not None and Cuda().gpu() is not None:
            break
    else:
        pytest.skip("no NVIDIA GPU with TensorRT")
    trt = library(name)
    plan = build(trt, whole_result / "model.onnx", toy.WINDOW).plan
    engine = TensorRTEngine(trt, plan, card)
    for batch in (1, 8, 64, 65):
        windows = np.resize(toy.reference_windows(), (batch, toy.WINDOW))
        for _ in range(3):
            assert np.allclose(engine.run(windows), expected(windows), atol=1e-3)
    assert certify(engine, whole_result / "reference.npz", "fp32", batch=8).passed
    engine.close()
