"""How a training ends: by the clock, by request, by a kill, by a fault. Each has a name."""

from __future__ import annotations

import json
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file

from appliance.errors import TrainingError
from appliance.training.worker import main, named
from tests.training.job_folder import (
    RESULT_FILES,
    Clip,
    progress_lines,
    read_json,
    run_worker,
    start_worker,
    worker_log,
    write_job,
)

# More than any test waits for.
MANY_STEPS = 50_000


def wait_for(condition: Callable[[], bool], child_alive: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert child_alive(), "the child ended early"
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def checkpoints(folder: Path) -> list[Path]:
    return sorted((folder / "checkpoints").glob("[0-9]*"))


@pytest.fixture(scope="module")
def killed_job(digits: list[Clip], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job whose child was killed after its first checkpoint."""
    folder = write_job(
        tmp_path_factory.mktemp("jobs") / "1", digits, protocol="holdout", steps=MANY_STEPS
    )
    child = start_worker(folder)
    wait_for(lambda: len(checkpoints(folder)) >= 1, lambda: child.poll() is None)
    child.kill()
    child.wait(timeout=30)
    assert not (folder / "result").exists()
    return folder


def test_a_cancelled_training_keeps_what_it_learned(digits: list[Clip], tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", digits, protocol="holdout", steps=MANY_STEPS)
    child = start_worker(folder)
    wait_for(
        lambda: any(line["step"] > 20 for line in progress_lines(folder) if line["loss"]),
        lambda: child.poll() is None,
    )
    child.send_signal(signal.SIGTERM)
    assert child.wait(timeout=60) == 0, worker_log(folder)
    assert {file.name for file in (folder / "result").iterdir()} == RESULT_FILES
    assert read_json(folder / "result" / "result.json")["stopped"] == "cancelled"
    found = read_json(folder / "result" / "evaluation.json")
    assert 0 < found["clips"] <= 30


def test_a_training_cancelled_at_once_says_so(digits: list[Clip], tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", digits, protocol="holdout", steps=MANY_STEPS)
    child = start_worker(folder)
    wait_for(lambda: len(progress_lines(folder)) > 0, lambda: child.poll() is None)
    child.send_signal(signal.SIGTERM)
    status = child.wait(timeout=60)
    # Either nothing was learned yet, and the error says so, or the first steps became a version.
    if status == 1:
        assert read_json(folder / "error.json")["reason"] == "cancelled"
    else:
        assert read_json(folder / "result" / "result.json")["stopped"] == "cancelled"


def test_a_killed_training_goes_on_where_it_was(killed_job: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    shutil.copytree(killed_job, folder)
    newest = json.loads((checkpoints(folder)[-1] / "state.json").read_text())
    used = progress_lines(folder)[-1]["elapsed_s"]
    manifest = read_json(folder / "manifest.json")
    # The plan is the first attempt's; this one ends a few steps after the checkpoint.
    plan = read_json(folder / "plan.json")
    plan["steps"] = newest["step"] + 5
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "used_s": used}))
    before = len(progress_lines(folder))
    assert run_worker(folder) == 0, worker_log(folder)
    card = read_json(folder / "result" / "card.json")
    assert card["train"]["steps"] == newest["step"] + 5
    assert card["train"]["active_s"] > used
    fresh = [line for line in progress_lines(folder)[before:] if line["phase"] == "training"]
    assert all(line["step"] > newest["step"] for line in fresh)


def test_salvage_makes_a_version_of_the_checkpoint(killed_job: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    shutil.copytree(killed_job, folder)
    assert run_worker(folder, "--salvage") == 0, worker_log(folder)
    assert {file.name for file in (folder / "result").iterdir()} == RESULT_FILES
    assert read_json(folder / "result" / "result.json")["stopped"] == "cancelled"
    kept = load_file(checkpoints(folder)[-1] / "tensors.safetensors")
    weights = load_file(folder / "result" / "model.safetensors")
    assert all(np.array_equal(kept[f"average/{name}"], weights[name]) for name in weights)


def test_salvage_passes_over_a_damaged_checkpoint(killed_job: Path, tmp_path: Path) -> None:
    folder = tmp_path / "job"
    shutil.copytree(killed_job, folder)
    good = checkpoints(folder)[-1]
    bad = good.with_name(f"{int(good.name) + 1:06d}")
    shutil.copytree(good, bad)
    tensors = bad / "tensors.safetensors"
    tensors.write_bytes(tensors.read_bytes()[:-100])
    assert run_worker(folder, "--salvage") == 0
    assert f"checkpoint {bad} is damaged" in worker_log(folder)


def test_salvage_with_nothing_to_salvage_fails_by_name(digits: list[Clip], tmp_path: Path) -> None:
    folder = write_job(tmp_path / "job", digits, protocol="holdout")
    assert run_worker(folder, "--salvage") == 1
    assert "no checkpoint" in read_json(folder / "error.json")["detail"]


def test_broken_weights_end_as_diverged(killed_job: Path, tmp_path: Path) -> None:
    manifest = read_json(killed_job / "manifest.json")
    kept = load_file(checkpoints(killed_job)[-1] / "tensors.safetensors")
    weights = {
        name.removeprefix("average/"): tensor
        for name, tensor in kept.items()
        if name.startswith("average/")
    }
    weights["stem.conv.weight"][0] = np.nan
    save_file(weights, tmp_path / "model.safetensors")
    folder = write_job(
        tmp_path / "job",
        manifest["clips"],
        protocol="holdout",
        steps=30,
        initial_weights=str(tmp_path / "model.safetensors"),
    )
    assert run_worker(folder) == 1
    error = read_json(folder / "error.json")
    assert error["reason"] == "diverged"
    assert error["advice"]
    assert not (folder / "result").exists()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"classes": ["0"]}, "at least two"),
        ({"classes": ["0", "3"]}, "not classes: ['7']"),
        ({"protocol": "guess"}, "unknown protocol"),
        ({"format": 9}, "format 9"),
        ({"budget_s": None}, "is not a manifest"),
    ],
)
def test_an_unusable_manifest_is_named(
    digits: list[Clip], tmp_path: Path, changes: dict[str, object], expected: str
) -> None:
    folder = write_job(tmp_path / "job", digits, **changes)
    assert main([str(folder)]) == 1
    error = read_json(folder / "error.json")
    assert error["reason"] == "crashed"
    assert expected in error["detail"]
    assert error["advice"]


def test_a_missing_clip_is_named(digits: list[Clip], tmp_path: Path) -> None:
    lost = {**digits[0], "path": str(tmp_path / "lost.flac")}
    folder = write_job(tmp_path / "job", [*digits[1:], lost], protocol="holdout")
    assert run_worker(folder) == 1
    assert "lost.flac cannot be read" in read_json(folder / "error.json")["detail"]


def test_out_of_memory_has_a_name_wherever_it_happens() -> None:
    tegra = RuntimeError('NVML_SUCCESS == r INTERNAL ASSERT FAILED at "CUDACachingAllocator.cpp"')
    with pytest.raises(RuntimeError) as real:
        torch.empty(1 << 50)
    for error in (MemoryError(), torch.cuda.OutOfMemoryError("CUDA out of memory"), tegra,
                  real.value):  # fmt: skip
        found = named(error)
        assert found.reason == "out of memory"
        assert found.advice
    assert named(RuntimeError("shape mismatch")).reason == "crashed"
    assert "worker.log" in named(ZeroDivisionError("x")).advice
    assert named(TrainingError("diverged", "x")).reason == "diverged"
