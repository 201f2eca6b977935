"""The same training on an NVIDIA GPU, where there is one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from tests.training.job_folder import Clip, read_json, run_worker, worker_log, write_job

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no NVIDIA GPU in this machine"),
]


def test_a_gpu_trains_and_its_network_runs_on_the_cpu(digits: list[Clip], tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", digits, protocol="holdout", steps=120)
    assert run_worker(folder) == 0, worker_log(folder)
    card = read_json(folder / "result" / "card.json")
    assert "cpu" not in card["train"]["device"]
    assert card["train"]["onnx_difference"] <= 1e-4
    assert read_json(folder / "result" / "evaluation.json")["accuracy"] > 0.55


def test_two_trainings_on_a_gpu_agree(digits: list[Clip], tmp_path: Path) -> None:
    weights = []
    for name in ("one", "two"):
        folder = write_job(tmp_path / name, digits, protocol="holdout", steps=10)
        assert run_worker(folder) == 0, worker_log(folder)
        weights.append((folder / "result" / "model.onnx").read_bytes())
    assert weights[0] == weights[1]
