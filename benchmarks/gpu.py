"""What the GPU gives: training speed, and each engine's latency with its certificate.

    .venv/bin/python benchmarks/gpu.py [--microphones 8] [--rounds 300] [--json]

A network of the size that the product trains is trained for a few steps on ESC-10 clips by the
product's own trainer, then compiled in fp32, fp16 and int8 by the product's own builder, in its
child, for what this device offers. Latency is taken in turns with a baseline in the same run: on
a GPU ONNX Runtime's CUDA provider where it is there, else torch on CUDA; without a GPU, which the
first line says, ONNX Runtime in fp32 on one thread, and the engines are ONNX Runtime's.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import listening
import numpy as np
import onnxruntime as ort

from appliance.errors import EarmarkError
from appliance.models.certificate import read_reference
from appliance.models.compiler import Compiler
from appliance.models.engine import PRECISIONS, open_reference_engine
from appliance.models.result import file_sha256

Run = Callable[[np.ndarray], Any]


def clips_a_second(result: Path) -> float:
    """Training windows a second between the first and the last point of the learning curve."""
    card = json.loads((result / "card.json").read_text())
    curve = json.loads((result / "evaluation.json").read_text())["curves"]
    steps = curve[-1]["step"] - curve[0]["step"]
    seconds = curve[-1]["elapsed_s"] - curve[0]["elapsed_s"]
    return float(steps * card["train"]["batch"] / seconds) if seconds > 0 else float("nan")


def baseline(result: Path, on_gpu: bool) -> tuple[str, Run]:
    """What the engines are compared with, and its name."""
    if not on_gpu:
        engine = open_reference_engine(result)
        return "as trained, in ONNX Runtime", engine.run
    if "CUDAExecutionProvider" in ort.get_available_providers():
        session = ort.InferenceSession(
            str(result / "model.onnx"), providers=["CUDAExecutionProvider"]
        )
        return "onnxruntime CUDA", lambda w: session.run(["probabilities"], {"waveform": w})
    return "torch CUDA", torch_on_gpu(result)


def torch_on_gpu(result: Path) -> Run:
    """The trained network in torch, TF32 off, probabilities back on the host."""
    import torch
    from safetensors.torch import load_file

    from appliance.training.export import deployed_network
    from appliance.training.features import FrontEnd
    from appliance.training.network import Backbone

    card = json.loads((result / "card.json").read_text())
    backbone = Backbone(len(card["classes"]), card["train"]["widths"])
    backbone.load_state_dict(load_file(result / "model.safetensors"))
    torch.backends.cudnn.allow_tf32 = False
    network = deployed_network(backbone, FrontEnd(**card["front_end"])).cuda()

    def run(windows: np.ndarray) -> Any:
        with torch.no_grad():
            return network(torch.from_numpy(windows).cuda())[0].cpu().numpy()

    return run


def in_turns(runs: dict[str, Run], windows: np.ndarray, rounds: int) -> dict[str, float]:
    """Median milliseconds of each, one after another in every round."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for number in range(rounds + 5):
        for name, run in runs.items():
            before = time.perf_counter()
            run(windows)
            if number >= 5:
                times[name].append(1e3 * (time.perf_counter() - before))
    return {name: round(float(np.median(taken)), 3) for name, taken in times.items()}


def measure(data: Path, microphones: int, rounds: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as temporary:
        result = listening.train(listening.recordings(data), Path(temporary) / "job")
        compiler = Compiler(Path(temporary) / "engines", microphones=lambda: microphones)
        target = compiler.target
        sha256 = file_sha256(result / "model.onnx")
        known = read_reference(result / "reference.npz")
        name, run = baseline(result, not target.on_cpu)
        runs: dict[str, Run] = {name: run}
        certificates: dict[str, Any] = {}
        for precision in PRECISIONS:
            try:
                key = compiler.key(result, sha256, precision)
                made = compiler.build(result, key, lambda stage, fraction: None)
            except EarmarkError as error:
                certificates[precision] = {"error": str(error)}
                continue
            certificates[precision] = made.certificate.as_json()
            certificates[precision]["sentence"] = made.certificate.sentence()
            runs[f"{made.engine.name} {precision}"] = made.engine.run
        figures: dict[str, Any] = {
            "target": vars(target),
            "baseline": name,
            "training_clips_per_second": round(clips_a_second(result), 1),
            "certificates": certificates,
            "microphones": microphones,
        }
        for batch in (1, microphones):
            windows = np.resize(known.windows, (batch, known.windows.shape[1]))
            figures[f"latency_ms_batch_{batch}"] = in_turns(runs, windows, rounds)
        return figures


def show(figures: dict[str, Any]) -> None:
    target = figures["target"]
    if target["gpu"]:
        print(f"{target['gpu']} ({target['compute_capability']}), {target['runtime']}", end=" ")
        print(target["library_version"], target["l4t"] and f"L4T {target['l4t']}")
    else:
        print("no NVIDIA GPU with TensorRT here: ONNX Runtime's engines are compared instead")
    print(f"training: {figures['training_clips_per_second']:.0f} clips a second")
    for batch in sorted({1, figures["microphones"]}):
        times = figures[f"latency_ms_batch_{batch}"]
        base = times[figures["baseline"]]
        for name, taken in times.items():
            print(f"batch {batch:2d}  {name:<30} {taken:8.3f} ms  {base / taken:5.2f} x")
    for precision, found in figures["certificates"].items():
        if "error" in found:
            print(f"{precision}: {found['error']}")
        else:
            state = "passed" if found["passed"] else "REFUSED"
            print(f"{precision}: {state}, {found['sentence']}, built in {found['build_s']:.1f} s")


def main() -> int:
    parser = argparse.ArgumentParser(description="What the GPU gives.")
    parser.add_argument("--microphones", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=300)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    data = os.environ.get("EARMARK_TEST_DATA") or listening.REPOSITORY.parent / "shared" / "data"
    figures = measure(Path(data), given.microphones, given.rounds)
    print(json.dumps(figures)) if given.json else show(figures)
    return 0 if all(one.get("passed") for one in figures["certificates"].values()) else 1


if __name__ == "__main__":
    sys.exit(main())
